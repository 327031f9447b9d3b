/** Which part of a list; `size` 0 means the default, `token` empty the beginning. */
export type Page = { size: number; token: string }
