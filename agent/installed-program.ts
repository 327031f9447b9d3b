import { access, constants } from 'node:fs/promises'
import { join } from 'node:path'

/**
 * Returns the path of a program that may be executed, from the folders of a PATH or from its own path; undefined when
 * there is none. Does not start it.
 */
export const findInstalled = async (
  file: string,
  folders: readonly string[],
): Promise<string | undefined> => {
  const candidates = file.includes('/') ? [file] : folders.map((folder) => join(folder, file))
  for (const candidate of candidates) {
    const usable = await access(candidate, constants.X_OK).then(
      () => true,
      () => false,
    )
    if (usable) return candidate
  }
  return undefined
}
