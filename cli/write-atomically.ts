/** A file that is whole or not there. */

import { existsSync, rmSync, statSync } from 'node:fs'
import { type FileHandle, link, open, rename, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { CommandError } from './command-errors.ts'
import { EXIT } from './exit-codes.ts'

/** Why a file cannot be written there; undefined when nothing is in the way. */
export const targetProblem = (file: string, force: boolean): string | undefined => {
  const folder = statSync(dirname(file), { throwIfNoEntry: false })
  if (!folder?.isDirectory()) return `is in ${dirname(file)}, which is no folder`
  if (!existsSync(file)) return undefined
  if (!statSync(file).isFile()) return 'is not a file; give the name of one'
  return force ? undefined : 'is there already; give another name, or --force to replace it'
}

/** `part` has the content as far as it came. What a killed command left there is replaced by the next one. */
const partOf = (file: string): string => join(dirname(file), `.${basename(file)}.part`)

/** Whether the name still is that of the open file: a later command for the same file has taken it over. */
const isNameOf = async (part: string, handle: FileHandle): Promise<boolean> =>
  statSync(part, { throwIfNoEntry: false })?.ino === (await handle.stat()).ino

const put = async (part: string, file: string, force: boolean): Promise<void> => {
  if (force) return rename(part, file)
  // A link is not made over a file that came meanwhile, as a renamed one would be.
  await link(part, file)
  await rm(part)
}

/**
 * Writes pieces into a file for its owner alone. The file has its name only once all is on the disk; if anything goes
 * wrong nothing is left.
 * @throws CommandError when the disk does not take it; whatever the pieces throw
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
    if (!isOurs) throw new CommandError(`another command writes ${file} too; it goes on`, EXIT.notMeasured)
    await put(part, file, force).catch(refused)
  } catch (error) {
    if (isOurs) rmSync(part, { force: true })
    throw error
  }
}
