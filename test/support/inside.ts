/** Whether Jupyter answers, asked in the container's own network namespace: from outside, a node that is cut off is not seen. */
import { docker } from './docker.js';

const ask = `
exec 3<>/dev/tcp/127.0.0.1/8888
printf 'GET /notebook/api HTTP/1.0\\r\\n\\r\\n' >&3
IFS= read -r -t 2 line <&3
case $line in HTTP/1.?\\ 200*) ;; *) exit 1 ;; esac
`;

/** False, too, for a container that is gone, or paused: nothing runs there. */
export function jupyterAnswersInside(container: string): Promise<boolean> {
  return docker('exec', container, 'bash', '-c', ask).then(
    () => true,
    () => false,
  );
}
