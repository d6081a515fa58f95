/** The CA's file in the trusted directory, made by whichever node comes first. */
import { authorityFileName } from '../../contract.js';
import { messageOf, NodeEnd } from '../errors.js';
import { linkOnce } from '../volume.js';
import { type Authority, newAuthority, readAuthority } from './authority.js';

/**
 * The cluster's CA.
 * @throws NodeEnd `volumeUnusable` when it can be neither read nor made
 */
export async function clusterAuthority(): Promise<Authority> {
  try {
    return readAuthority(await linkOnce(authorityFileName, newAuthority(Date.now())));
  } catch (error) {
    throw new NodeEnd(
      'volumeUnusable',
      `the cluster's CA (${authorityFileName} in the trusted directory) can be neither read nor made: ${messageOf(error)}`,
    );
  }
}
