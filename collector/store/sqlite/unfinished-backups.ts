import { readdirSync, rmSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'

/** Separates the name of the store from the random suffix in the name of a backup folder. */
export const BACKUP_FOLDER_MARK = '-backup-'
/** The copy in that folder. SQLite puts its journal next to it. */
export const BACKUP_FILE = 'copy.db'

/** The suffix that mkdtemp adds to a name. */
const MKDTEMP_SUFFIX = /^[A-Za-z0-9]{6}$/

/**
 * Deletes copies that a killed collector left. The caller must hold the lock of the store. An operator's own backups may
 * have a similar name, so a folder is deleted only when it contains nothing but such a copy.
 */
export const removeUnfinishedBackups = (path: string): void => {
  const folder = dirname(path)
  const prefix = `${basename(path)}${BACKUP_FOLDER_MARK}`
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const { name } = entry
    if (!entry.isDirectory() || !name.startsWith(prefix)) continue
    if (!MKDTEMP_SUFFIX.test(name.slice(prefix.length))) continue
    const copy = join(folder, name)
    if (readdirSync(copy).every((file) => file.startsWith(BACKUP_FILE))) rmSync(copy, { recursive: true })
  }
}
