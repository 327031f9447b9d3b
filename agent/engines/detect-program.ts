/** Detects whether a program is installed, is new enough and has the permissions it needs; returns all reasons why not. */

import type { Processes } from '../processes.ts'
import type { Detection } from './engine.ts'
import { quote } from './program-error.ts'
import { faultOfEnd, programFault } from './program-fault.ts'

/** Longest time for a program to print its version, also on an overloaded host. */
const DETECT_SECONDS = 10

type Wanted = {
  /** Its usual name. */
  name: string
  /** The same, or its path. */
  program: string
  /** The oldest version that the engine supports. */
  oldest: string
  versionArgs: readonly string[]
  /** Matches the output; the first group is the version. */
  versionPattern: RegExp
  /** How to install it. */
  hint: string
  /** Arguments of a run that shows whether it has the permissions it needs, such as to open a raw socket. */
  probeArgs?: readonly string[]
}

/** Whether version `a` is at least `b`, part by part: 3.9 is older than 3.12. */
export const atLeast = (a: string, b: string): boolean => {
  const left = a.split('.').map(Number)
  const right = b.split('.').map(Number)
  for (let part = 0; part < right.length; part++) {
    const difference = (left[part] ?? 0) - right[part]!
    if (difference !== 0) return difference > 0
  }
  return true
}

export const detectProgram = async (
  processes: Processes,
  { name, program, oldest, versionArgs, versionPattern, hint, probeArgs }: Wanted,
  signal: AbortSignal,
): Promise<Detection> => {
  const options = { signal, deadlineSeconds: DETECT_SECONDS, isUntraced: true }
  const isInstalled = await processes.isInstalled(program)
  signal.throwIfAborted()
  if (!isInstalled)
    return { available: false, version: '', reasons: [`${program} is not installed: ${hint}`] }
  const printed = await processes.run(program, versionArgs, options)
  signal.throwIfAborted()
  const output = `${printed.stdout}\n${printed.stderrTail}`
  const version = versionPattern.exec(output)?.[1] ?? ''
  const reasons: string[] = []
  const problem = printed.timedOut ? `hangs: ${printed.reason}` : faultOfEnd(printed)
  const fault = programFault(name, problem)
  if (problem !== undefined) {
    reasons.push(`${name} ${problem}`)
  } else if (!version) {
    reasons.push(
      `${program} does not report its version; it wrote: ${quote(output) || printed.reason || 'nothing'}`,
    )
  } else if (!atLeast(version, oldest)) {
    reasons.push(`${program} is version ${version}, older than ${oldest}: ${hint}`)
  }
  if (probeArgs && problem === undefined) {
    const probed = await processes.run(program, probeArgs, options)
    signal.throwIfAborted()
    if (probed.reason)
      reasons.push(`${program} cannot probe the loopback of this node: ${quote(probed.reason)}`)
  }
  return { available: reasons.length === 0, version, reasons, ...(fault && { fault }) }
}
