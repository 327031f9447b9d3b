import type { Clock } from '../../lib/clock.ts'
import { type Identity, isAlive } from './identity.ts'
import type { LabDeps } from './lab-deps.ts'
import { LabError } from './lab-error.ts'
import { recordedProcesses } from './processes.ts'
import type { Lab } from './state.ts'

/** Time for an agent to end its measurements and for a collector to end its run, before they are killed. */
const GRACE_SECONDS = 3
/** A killed process that still exists after this time is blocked in the kernel. Waiting longer does not help. */
const KILL_SECONDS = 3
const POLL_SECONDS = 0.02

const isNoSuchProcess = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && error.code === 'ESRCH'

/** Signals the group that `pid` leads, or the process when it leads none. The caller has just checked its identity. */
const sendSignal = (pid: number, signal: NodeJS.Signals): void => {
  for (const target of [-pid, pid]) {
    try {
      process.kill(target, signal)
      return
    } catch (error) {
      if (!isNoSuchProcess(error)) throw error
    }
  }
}

const aliveOf = async (identities: readonly Identity[]): Promise<Identity[]> => {
  const alive = await Promise.all(identities.map(isAlive))
  return identities.filter((_, position) => alive[position])
}

const waitForEnd = async (
  clock: Clock,
  identities: readonly Identity[],
  seconds: number,
): Promise<Identity[]> => {
  const deadline = clock.monotonicSeconds() + seconds
  let left = await aliveOf(identities)
  while (left.length > 0 && clock.monotonicSeconds() < deadline) {
    await clock.sleep(POLL_SECONDS)
    left = await aliveOf(left)
  }
  return left
}

/** Ends these processes and the groups that they lead: SIGTERM first, then SIGKILL for the ones that still run. */
export const endProcesses = async (clock: Clock, identities: readonly Identity[]): Promise<void> => {
  let left = await aliveOf(identities)
  for (const [signal, seconds] of [
    ['SIGTERM', GRACE_SECONDS],
    ['SIGKILL', KILL_SECONDS],
  ] as const) {
    for (const { pid } of left) sendSignal(pid, signal)
    left = await waitForEnd(clock, left, seconds)
  }
  if (left.length > 0) {
    throw new LabError([`processes ${left.map(({ pid }) => pid).join(', ')} still run after SIGKILL`])
  }
}

/** Sends a signal to one of the lab's processes, such as `agent-node-3` or `collector`. For tests of crashes and hangs. */
export const signalProcess = async (
  lab: Pick<Lab, 'stateDir'>,
  name: string,
  signal: NodeJS.Signals,
): Promise<void> => {
  const found = (await recordedProcesses(lab.stateDir)).find((candidate) => candidate.name === name)
  if (!found || !(await isAlive(found.identity))) throw new LabError([`${name} is not running`])
  process.kill(found.identity.pid, signal)
}

/** Ends one of the lab's processes and waits until it no longer exists. */
export const endProcess = async (deps: LabDeps, lab: Pick<Lab, 'stateDir'>, name: string): Promise<void> => {
  const found = (await recordedProcesses(lab.stateDir)).find((candidate) => candidate.name === name)
  if (found) await endProcesses(deps.clock, [found.identity])
}
