import { readdirSync, rmSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'

/** Between the name of the store and what makes the folder of a copy its own. */
export const COPY_MARK = '-backup-'

/** Copies that a collector left when it was killed. Only who holds the lock of the store may do this. */
export const removeLeftCopies = (path: string): void => {
  const folder = dirname(path)
  for (const name of readdirSync(folder)) {
    if (name.startsWith(`${basename(path)}${COPY_MARK}`)) rmSync(join(folder, name), { recursive: true })
  }
}
