/** Finds and runs the programs of checks, and describes their failures. */

import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { quote } from '../engines/program-error.ts'
import { findInstalled } from '../installed-program.ts'
import type { OutputLimits, ProcessResult } from '../processes.ts'
import type { CheckDeps } from './check.ts'

/** Returns the path of a program; undefined when it is missing. Does not start it, because it may hang with its driver. */
export const findProgram = async (
  { programs, path }: Pick<CheckDeps, 'programs' | 'path'>,
  name: string,
): Promise<string | undefined> => findInstalled(programs[name] ?? name, path)

/** Returns the reason for a missing program, and how to install it. */
export const missing = ({ programs }: Pick<CheckDeps, 'programs'>, name: string, hint: string): string =>
  `${name} is not installed${programs[name] ? ` at ${programs[name]}` : ''}: ${hint}`

export type Output = ProcessResult & { stdout: string }

/**
 * Runs a program to its end. All failures are in the result.
 * @throws only signal.reason, when aborted
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

/** Returns why a program failed, with its first useful line; empty when it succeeded. */
export const failureOf = ({ reason, stdout, stderrTail }: Output, noise = /^\s*$/): string => {
  if (reason === '') return ''
  const line = `${stdout}\n${stderrTail}`.split('\n').find((each) => !noise.test(each))
  const text = quote(line ?? '')
  return text === '' || reason.includes(text) ? reason : `${reason}; it wrote: ${text}`
}

/** Returns all output of a program, for the result. */
export const rawOf = ({ stdout, stderrTail }: Output): string =>
  stderrTail === '' ? stdout : `${stdout}${stdout === '' || stdout.endsWith('\n') ? '' : '\n'}${stderrTail}\n`

/** Returns a file below the root; undefined when it is missing or not readable. */
export const readHostFile = ({ root }: Pick<CheckDeps, 'root'>, path: string): Promise<string | undefined> =>
  readFile(join(root, path), 'utf8').catch(() => undefined)

/** Returns the names in a folder below the root; none when it is missing. */
export const listNames = ({ root }: Pick<CheckDeps, 'root'>, path: string): Promise<string[]> =>
  readdir(join(root, path)).catch(() => [])
