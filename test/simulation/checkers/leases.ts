import type { World } from '../world/world.ts'
import type { Checker } from './checker.ts'

/** Time to end a program after its stream has ended: SIGTERM, its answer, and what the agent waits for. */
const GRACE_SECONDS = 5
/** The mesh goes on for this long after its stream, as the collector asks for it (the agent's default). */
const OUTLIVE_SECONDS = 600
const MESH = 'PingService/Mesh'

/**
 * No lease is without a holder: a program that an agent runs for a call ends with that call, the mesh after its
 * outlive time; and after all work nothing is held any more.
 */
export const createLeaseChecker = ({ agents, time, collector }: World): Checker => {
  const check = (): string[] => {
    const now = time.seconds()
    return agents.flatMap(({ name, running, isStopped }) =>
      isStopped()
        ? []
        : [...running].flatMap(({ file, args, call }) => {
            if (!call || call.endSeconds === undefined) return []
            const limit = call.path === MESH ? OUTLIVE_SECONDS + GRACE_SECONDS : GRACE_SECONDS
            const seconds = now - call.endSeconds
            if (seconds <= limit) return []
            const command = [file, ...args.slice(0, 4)].join(' ')
            return [`${name} runs "${command}" ${seconds.toFixed(1)} s after its call ${call.path} ended`]
          }),
    )
  }
  return {
    name: 'leases',
    check,
    finish: () => {
      const { runs, traffics } = collector.parts()
      const left = agents.flatMap(({ name, running }) =>
        [...running].flatMap(({ file, call }) =>
          call?.path === MESH ? [] : [`${name} still runs ${file} of ${call?.path ?? 'no call'}`],
        ),
      )
      const held = [...runs.heldInterfaces()].map((name) => `a run that has ended still holds ${name}`)
      const traffic = traffics
        .list()
        .flatMap(({ id, endTime }) => (endTime ? [] : [`traffic ${id} has not ended`]))
      return [...check(), ...left, ...held, ...traffic]
    },
  }
}
