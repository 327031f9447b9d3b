/** Writes a file completely or not at all. */

import { existsSync, rmSync, statSync } from 'node:fs'
import { type FileHandle, link, open, rename, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { CommandError } from './command-errors.ts'
import { EXIT } from './exit-codes.ts'

/** Why the file cannot be written, or undefined if it can. */
export const targetProblem = (file: string, force: boolean): string | undefined => {
  const folder = statSync(dirname(file), { throwIfNoEntry: false })
  if (!folder?.isDirectory()) return `is in ${dirname(file)}, which is not a folder`
  if (!existsSync(file)) return undefined
  if (!statSync(file).isFile()) return 'is not a regular file; give the name of a file'
  return force ? undefined : 'exists already; give another name, or --force to replace it'
}

/** The temporary file for the content. The next command replaces one that a killed command left. */
const partOf = (file: string): string => join(dirname(file), `.${basename(file)}.part`)

/** Whether the path still names the open file. False if a later command for the same file replaced it. */
const isNameOf = async (part: string, handle: FileHandle): Promise<boolean> =>
  statSync(part, { throwIfNoEntry: false })?.ino === (await handle.stat()).ino

const moveToTarget = async (part: string, file: string, force: boolean): Promise<void> => {
  if (force) return rename(part, file)
  // Unlike rename, link fails if the target was created in the meantime.
  await link(part, file)
  await rm(part)
}

/**
 * Writes the pieces to a file with mode 0600. The file gets its name after all content is on disk. After an error no
 * file remains.
 * @throws CommandError if the file cannot be written; and any error of the iterator
 */
export const writeAtomically = async (
  file: string,
  pieces: AsyncIterable<Uint8Array>,
  { force }: { force: boolean },
): Promise<void> => {
  const part = partOf(file)
  const refused = (error: unknown): never => {
    const { message } = error as Error
    throw new CommandError(`cannot write ${file}: ${message}`, EXIT.notMeasured)
  }
  rmSync(part, { force: true })
  const handle = await open(part, 'wx', 0o600).catch(refused)
  let isOurs = true
  try {
    try {
      for await (const piece of pieces) await handle.writeFile(piece).catch(refused)
      await handle.sync().catch(refused)
    } finally {
      isOurs = await isNameOf(part, handle)
      await handle.close()
    }
    if (!isOurs)
      throw new CommandError(`another command is writing ${file}; this one stopped`, EXIT.notMeasured)
    await moveToTarget(part, file, force).catch(refused)
  } catch (error) {
    if (isOurs) rmSync(part, { force: true })
    throw error
  }
}
