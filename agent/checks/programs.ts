/** The programs behind checks: where they are, and what to say when one did not do its work. */

import { access, constants, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { quote } from '../engines/program-error.ts'
import type { OutputLimits, ProcessResult } from '../processes.ts'
import type { CheckDeps } from './check.ts'

/** The path of a program, or undefined when it is not here. It is not started: one whose driver hangs would hang too. */
export const findProgram = async (
  { programs, path }: Pick<CheckDeps, 'programs' | 'path'>,
  name: string,
): Promise<string | undefined> => {
  const configured = programs[name]
  const candidates = configured ? [configured] : path.map((folder) => join(folder, name))
  for (const candidate of candidates) {
    const usable = await access(candidate, constants.X_OK).then(
      () => true,
      () => false,
    )
    if (usable) return candidate
  }
  return undefined
}

/** The reason for a program that is not here, with how to get it. */
export const missing = ({ programs }: Pick<CheckDeps, 'programs'>, name: string, hint: string): string =>
  `${name} is not installed${programs[name] ? ` at ${programs[name]}` : ''}: ${hint}`

export type Output = ProcessResult & { stdout: string }

/**
 * Runs a program to its end. Throws only when the caller's signal was aborted; all else is in the result.
 * @throws signal.reason
 */
export const runProgram = async (
  { processes }: Pick<CheckDeps, 'processes'>,
  path: string,
  args: readonly string[],
  signal: AbortSignal,
  deadlineSeconds: number,
  limits: Partial<OutputLimits> = {},
): Promise<Output> => {
  const output = await processes.run(path, args, { signal, deadlineSeconds, limits })
  signal.throwIfAborted()
  return output
}

/** Why a program did not end well, with the first line that says something; empty when it did. */
export const troubleOf = ({ reason, stdout, stderrTail }: Output, noise = /^\s*$/): string => {
  if (reason === '') return ''
  const said = `${stdout}\n${stderrTail}`.split('\n').find((line) => !noise.test(line))
  const text = quote(said ?? '')
  return text === '' || reason.includes(text) ? reason : `${reason}; it wrote: ${text}`
}

/** Everything that a program wrote, for the result. */
export const rawOf = ({ stdout, stderrTail }: Output): string =>
  stderrTail === '' ? stdout : `${stdout}${stdout === '' || stdout.endsWith('\n') ? '' : '\n'}${stderrTail}\n`

/** A file below the root, or undefined when it is not there or refuses to be read. */
export const readText = ({ root }: Pick<CheckDeps, 'root'>, path: string): Promise<string | undefined> =>
  readFile(join(root, path), 'utf8').catch(() => undefined)

/** The names in a folder below the root; none when it is not there. */
export const listNames = ({ root }: Pick<CheckDeps, 'root'>, path: string): Promise<string[]> =>
  readdir(join(root, path)).catch(() => [])
