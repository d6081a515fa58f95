/** What every command takes. */
export interface GlobalFlags {
  /** Path of the settings file. */
  config: string | undefined;
}
