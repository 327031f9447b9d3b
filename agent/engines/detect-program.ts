/** Whether a program is here, new enough, and allowed to do its work: all reasons why not. */

import type { Processes } from '../processes.ts'
import type { Detection } from './engine.ts'
import { quote } from './program-error.ts'

/** More than any program needs to say its version, also on a host that is in trouble. */
const DETECT_SECONDS = 10

type Wanted = {
  program: string
  /** The oldest version that the engine knows how to drive. */
  oldest: string
  versionArgs: readonly string[]
  /** Its first group is the version. */
  versionPattern: RegExp
  /** How to get it. */
  hint: string
  /** Arguments of a run that shows that it may do its work, such as open a raw socket. */
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
  { program, oldest, versionArgs, versionPattern, hint, probeArgs }: Wanted,
  signal: AbortSignal,
): Promise<Detection> => {
  const options = { signal, deadlineSeconds: DETECT_SECONDS }
  const said = await processes.run(program, versionArgs, options)
  signal.throwIfAborted()
  if (said.notFound) return { available: false, version: '', reasons: [`${said.reason}: ${hint}`] }
  const output = `${said.stdout}\n${said.stderrTail}`
  const version = versionPattern.exec(output)?.[1] ?? ''
  const reasons: string[] = []
  if (!version) {
    reasons.push(`${program} does not say its version, but: ${quote(output) || said.reason || 'nothing'}`)
  } else if (!atLeast(version, oldest)) {
    reasons.push(`${program} is version ${version}, older than ${oldest}: ${hint}`)
  }
  if (probeArgs) {
    const probed = await processes.run(program, probeArgs, options)
    signal.throwIfAborted()
    if (probed.reason)
      reasons.push(`${program} cannot probe this node's own loopback: ${quote(probed.reason)}`)
  }
  return { available: reasons.length === 0, version, reasons }
}
