import { readdirSync, rmSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'

/** Between the name of the store and what makes the folder of a copy its own. */
export const COPY_MARK = '-backup-'
/** The copy in that folder; SQLite puts its journal beside it. */
export const COPY_NAME = 'copy.db'

/** What mkdtemp adds to a name. */
const OWN = /^[A-Za-z0-9]{6}$/

/**
 * Copies that a collector left when it was killed. Only who holds the lock of the store may do this. An operator's own
 * backups may have much the same name: only a folder with nothing else in it than a copy of ours goes.
 */
export const removeLeftCopies = (path: string): void => {
  const folder = dirname(path)
  const prefix = `${basename(path)}${COPY_MARK}`
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const { name } = entry
    if (!entry.isDirectory() || !name.startsWith(prefix) || !OWN.test(name.slice(prefix.length))) continue
    const copy = join(folder, name)
    if (readdirSync(copy).every((file) => file.startsWith(COPY_NAME))) rmSync(copy, { recursive: true })
  }
}
