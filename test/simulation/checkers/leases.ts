import type { ServedCall } from '../world/calls.ts'
import type { StartedProgram } from '../world/processes.ts'
import type { ServerProcess } from '../world/session.ts'
import type { World } from '../world/world.ts'
import type { Checker } from './checker.ts'

/** Time to end a program after its stream has ended: SIGTERM, its answer, and what the agent waits for. */
const GRACE_SECONDS = 5
/** The mesh continues for this long after its last stream: the agent's default, which the collector leaves as it is. */
const OUTLIVE_SECONDS = 600
const MESH = 'PingService/PingMesh'

/** The streams that hold the mesh of one node's agent process. */
type MeshHolders = { process: ServerProcess | undefined; open: Set<ServedCall>; lastEndSeconds: number }

/**
 * No lease is without a holder: a program that an agent runs for a call ends with that call, those of the mesh the
 * outlive time after the last stream of the mesh; and after all work nothing is held any more.
 */
export const createLeaseChecker = ({
  agents,
  time,
  collector,
}: Pick<World, 'agents' | 'time' | 'collector'>) => {
  const meshes = new Map<string, MeshHolders>()
  const processOf = new Map(agents.map((agent) => [agent.name, agent.process]))

  const onCall = (call: ServedCall): void => {
    if (call.path !== MESH) return
    const process = processOf.get(call.node)!()
    const known = meshes.get(call.node)
    const holders =
      known?.process === process ? known! : { process, open: new Set<ServedCall>(), lastEndSeconds: 0 }
    meshes.set(call.node, holders)
    holders.open.add(call)
  }
  const onCallEnd = (call: ServedCall): void => {
    const holders = meshes.get(call.node)
    if (holders?.open.delete(call)) holders.lastEndSeconds = time.seconds()
  }
  /** For how long a program has had no holder; undefined while it has one. */
  const orphanedSeconds = ({ call }: StartedProgram): number | undefined => {
    if (!call) return undefined
    const now = time.seconds()
    if (call.path !== MESH) return call.endSeconds === undefined ? undefined : now - call.endSeconds
    const holders = meshes.get(call.node)
    return !holders || holders.open.size > 0 ? undefined : now - holders.lastEndSeconds - OUTLIVE_SECONDS
  }
  const check = (): string[] => {
    const problems: string[] = []
    for (const { name, running, isStopped } of agents) {
      if (running.size === 0 || isStopped()) continue
      for (const program of running) {
        if ((orphanedSeconds(program) ?? 0) <= GRACE_SECONDS) continue
        const command = [program.file, ...program.args.slice(0, 4)].join(' ')
        problems.push(`${name} runs "${command}" after its call ${program.call!.path} has ended`)
      }
    }
    return problems
  }
  const finish = (): string[] => {
    const { runs, traffics } = collector.parts()
    const left = agents.flatMap(({ name, running }) =>
      [...running].flatMap(({ file, call }) =>
        call?.path === MESH ? [] : [`${name} still runs ${file} of ${call?.path ?? 'no call'}`],
      ),
    )
    const held = [...runs.exclusiveInterfaces()].map((name) => `a run that has ended still holds ${name}`)
    const traffic = traffics
      .list()
      .flatMap(({ id, endTime }) => (endTime ? [] : [`traffic ${id} has not ended`]))
    return [...check(), ...left, ...held, ...traffic]
  }
  const checker: Checker = { name: 'leases', check, finish }
  return { checker, onCall, onCallEnd }
}
