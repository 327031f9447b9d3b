import { readFileSync } from 'node:fs'

/** Returns the text of a file of /proc, /sys or /etc; undefined where it is missing or not readable. */
export type ReadText = (path: string) => string | undefined

export const readText: ReadText = (path) => {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}
