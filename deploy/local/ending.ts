import type { Clock } from '../../lib/clock.ts'
import type { LabDeps } from './deps.ts'
import { type Identity, isAlive } from './identity.ts'
import { LabError } from './problems.ts'
import { recordedProcesses } from './processes.ts'
import type { Lab } from './state.ts'

/** An agent ends its measurements and a collector its run in this time; what is left then is killed. */
const GRACE_SECONDS = 3
/** A killed process that is still there after this hangs in the kernel, and waiting will not help. */
const KILL_SECONDS = 3
const POLL_SECONDS = 0.02

const isGone = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && error.code === 'ESRCH'

/** To the process's group where it leads one, else to it alone. Identity is checked by the caller, just before. */
const sendSignal = (pid: number, signal: NodeJS.Signals): void => {
  for (const target of [-pid, pid]) {
    try {
      process.kill(target, signal)
      return
    } catch (error) {
      if (!isGone(error)) throw error
    }
  }
}

const living = async (identities: readonly Identity[]): Promise<Identity[]> => {
  const alive = await Promise.all(identities.map(isAlive))
  return identities.filter((_, position) => alive[position])
}

const waitGone = async (
  clock: Clock,
  identities: readonly Identity[],
  seconds: number,
): Promise<Identity[]> => {
  const deadline = clock.monotonicSeconds() + seconds
  let left = await living(identities)
  while (left.length > 0 && clock.monotonicSeconds() < deadline) {
    await clock.sleep(POLL_SECONDS)
    left = await living(left)
  }
  return left
}

/** Ends exactly these processes (and the groups they lead): asks first, kills what does not listen. */
export const endProcesses = async (clock: Clock, identities: readonly Identity[]): Promise<void> => {
  let left = await living(identities)
  for (const [signal, seconds] of [
    ['SIGTERM', GRACE_SECONDS],
    ['SIGKILL', KILL_SECONDS],
  ] as const) {
    for (const { pid } of left) sendSignal(pid, signal)
    left = await waitGone(clock, left, seconds)
  }
  if (left.length > 0) {
    throw new LabError([`processes ${left.map(({ pid }) => pid).join(', ')} do not end, not even by SIGKILL`])
  }
}

/** Sends a signal to one of the lab's processes, such as `agent-node-3` or `collector`, as an accident would. */
export const signalProcess = async (
  lab: Pick<Lab, 'stateDir'>,
  name: string,
  signal: NodeJS.Signals,
): Promise<void> => {
  const found = (await recordedProcesses(lab.stateDir)).find((candidate) => candidate.name === name)
  if (!found || !(await isAlive(found.identity))) throw new LabError([`${name} does not run`])
  process.kill(found.identity.pid, signal)
}

/** Ends one of the lab's processes and waits until it is gone. */
export const endProcess = async (deps: LabDeps, lab: Pick<Lab, 'stateDir'>, name: string): Promise<void> => {
  const found = (await recordedProcesses(lab.stateDir)).find((candidate) => candidate.name === name)
  if (found) await endProcesses(deps.clock, [found.identity])
}
