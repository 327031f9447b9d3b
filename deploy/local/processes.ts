import { mkdir, readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import type { LabDeps } from './deps.ts'
import { type Identity, isAlive, parseIdentity } from './identity.ts'
import { LabError } from './problems.ts'
import type { Lab } from './state.ts'
import type { LabNode } from './topology.ts'

const AGENT_PORT = 50051

/** Where a node's agent serves. */
export const agentAddress = (node: Pick<LabNode, 'management'>): string => `${node.management}:${AGENT_PORT}`

/** The command line of an agent: the one place that knows it. */
const agentArguments = (node: LabNode): string[] => [
  'agent',
  ...['--node', node.name, '--listen', agentAddress(node), '--insecure'],
  ...node.interfaces.flatMap(({ name, address }) => [
    '--interface',
    // On loopback every node has the same interface: only the address tells them apart.
    node.namespace === undefined ? `${name}=${address}` : name,
  ]),
]

/** The command line of the collector: the one place that knows it. */
const collectorArguments = (inventory: string): string[] => ['collector', '--config', inventory]

export type StartOptions = {
  /** What comes before `agent` and `collector`: Node and the CLI's entry, or the one executable. */
  program: readonly string[]
  /** Resolves when what serves at `address` is ready to work; asked anew as long as it rejects. */
  waitReady(address: string, signal: AbortSignal): Promise<void>
  /** Added to the environment of what is started. */
  environment?: Readonly<Record<string, string>>
  signal?: AbortSignal
  readyWithinSeconds?: number
}

export type LabProcess = { name: string; identity: Identity; log: string }

const READY_WITHIN_SECONDS = 30
const POLL_SECONDS = 0.05

/**
 * Notes its own pid and start time and then becomes the program. So the note is there before the program does
 * anything, and no death of ours between the two leaves a process that nobody knows.
 */
const RECORD = `umask 077
exec >>"$2" 2>&1
echo "$$ $(cut -d " " -f 22 /proc/$$/stat)" >"$1" || exit 1
shift 2
exec "$@"`

const directory = (stateDir: string): string => join(stateDir, 'processes')
const recordFile = (stateDir: string, name: string): string => join(directory(stateDir), `${name}.pid`)
const logFile = (stateDir: string, name: string): string => join(stateDir, `${name}.log`)

/** What was started in this lab, running or not. */
export const recordedProcesses = async (stateDir: string): Promise<LabProcess[]> => {
  const names = await readdir(directory(stateDir)).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return []
    throw error
  })
  const processes: LabProcess[] = []
  for (const file of names.filter((name) => name.endsWith('.pid')).sort()) {
    const name = file.slice(0, -'.pid'.length)
    const identity = parseIdentity(await readFile(join(directory(stateDir), file), 'utf8'))
    if (identity) processes.push({ name, identity, log: logFile(stateDir, name) })
  }
  return processes
}

const launch = async (
  { path }: LabDeps,
  stateDir: string,
  name: string,
  command: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Promise<void> => {
  await mkdir(directory(stateDir), { recursive: true, mode: 0o700 })
  // A record of an earlier start under this name would be taken for this one's.
  await rm(recordFile(stateDir, name), { force: true })
  const args = [
    '-c',
    RECORD,
    'meshgauge-lab',
    recordFile(stateDir, name),
    logFile(stateDir, name),
    ...command,
  ]
  const child = execa('sh', args, {
    detached: true,
    cleanup: false,
    reject: false,
    env: { PATH: path, ...environment },
    stdio: 'ignore',
  })
  // It belongs to the lab, not to us: it is ended by its record, and may outlive us.
  child.nodeChildProcess.unref()
  if (child.pid === undefined) throw new Error(`${name} did not start`, { cause: await child })
}

/** The end of a process's log, for the one who must find out why it did not start. */
const lastWords = async (log: string): Promise<string> => {
  const lines = (await readFile(log, 'utf8')).trimEnd().split('\n')
  return lines.slice(-5).join('\n    ')
}

const whyNotReady = async (
  { clock }: LabDeps,
  { stateDir }: Lab,
  name: string,
  address: string,
  options: StartOptions,
): Promise<string | undefined> => {
  const within = options.readyWithinSeconds ?? READY_WITHIN_SECONDS
  const deadline = clock.monotonicSeconds() + within
  let last: unknown = 'it was not asked'
  while (clock.monotonicSeconds() < deadline) {
    options.signal?.throwIfAborted()
    const process = (await recordedProcesses(stateDir)).find((candidate) => candidate.name === name)
    if (process && !(await isAlive(process.identity))) {
      return `${name} ended at once:\n    ${await lastWords(process.log)}`
    }
    const attempt = AbortSignal.timeout(Math.ceil(Math.max(0, deadline - clock.monotonicSeconds()) * 1000))
    const signal = options.signal ? AbortSignal.any([options.signal, attempt]) : attempt
    try {
      await options.waitReady(address, signal)
      return undefined
    } catch (error) {
      last = error
    }
    await clock.sleep(POLL_SECONDS, options.signal)
  }
  return `${name} is not ready at ${address} after ${within} s (${String(last)}):\n    ${await lastWords(logFile(stateDir, name))}`
}

type Start = { name: string; address: string; command: readonly string[] }

const startAll = async (
  deps: LabDeps,
  lab: Lab,
  starts: readonly Start[],
  options: StartOptions,
): Promise<void> => {
  for (const { name, command } of starts) await launch(deps, lab.stateDir, name, command, options.environment)
  const problems = await Promise.all(
    starts.map(({ name, address }) => whyNotReady(deps, lab, name, address, options)),
  )
  const reasons = problems.filter((problem) => problem !== undefined)
  if (reasons.length > 0) throw new LabError(reasons)
}

/** Agents of these nodes (all when absent), each in its own namespace, up and ready. */
export const startAgents = (
  deps: LabDeps,
  lab: Lab,
  options: StartOptions,
  nodes: readonly LabNode[] = lab.nodes,
): Promise<void> => {
  const starts = nodes.map((node) => ({
    name: `agent-${node.name}`,
    address: agentAddress(node),
    command: [
      ...(node.namespace === undefined ? [] : ['ip', 'netns', 'exec', node.namespace]),
      ...options.program,
      ...agentArguments(node),
    ],
  }))
  return startAll(deps, lab, starts, options)
}

/** The collector, in the machine's own namespace, up and ready at `address`. */
export const startCollector = (
  deps: LabDeps,
  lab: Lab,
  options: StartOptions & { inventory: string; address: string },
): Promise<void> => {
  const { program, inventory, address } = options
  return startAll(
    deps,
    lab,
    [{ name: 'collector', address, command: [...program, ...collectorArguments(inventory)] }],
    options,
  )
}
