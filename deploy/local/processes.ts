import { mkdir, readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { type Identity, isAlive, parseIdentity } from './identity.ts'
import type { LabDeps } from './lab-deps.ts'
import { LabError } from './lab-error.ts'
import type { Lab } from './state.ts'
import type { LabNode } from './topology.ts'

const AGENT_PORT = 50051

/** The address `host:port` of a node's agent. */
export const agentAddress = (node: Pick<LabNode, 'management'>): string => `${node.management}:${AGENT_PORT}`

/** The speeds to which the interfaces are shaped: the driver of a virtual link always reports 10 Gbit/s. */
const speedArguments = ({ namespace, interfaces }: LabNode, rate: number | 'unlimited'): string[] =>
  namespace === undefined
    ? []
    : interfaces.flatMap(({ name }) => ['--speed', `${name}=${rate === 'unlimited' ? 0 : rate}`])

const agentArguments = (node: LabNode, rate: number | 'unlimited'): string[] => [
  'agent',
  ...['--node', node.name, '--listen', agentAddress(node), '--insecure'],
  ...node.interfaces.flatMap(({ name, address }) => [
    '--interface',
    // In a loopback fleet all nodes have the interface `lo`; only the address differs.
    node.namespace === undefined ? `${name}=${address}` : name,
  ]),
  ...speedArguments(node, rate),
]

const collectorArguments = (inventory: string): string[] => ['collector', '--config', inventory]

export type StartOptions = {
  /** The command before the arguments `agent` or `collector`: Node and the CLI's entry file, or the executable. */
  program: readonly string[]
  /** Resolves when the server at `address` is ready. Called again while it rejects, until `readyWithinSeconds`. */
  waitReady(address: string, signal: AbortSignal): Promise<void>
  /** Added to the environment of the started processes. */
  environment?: Readonly<Record<string, string>>
  signal?: AbortSignal
  /** Default 30. */
  readyWithinSeconds?: number
}

export type LabProcess = { name: string; identity: Identity; log: string }

const READY_WITHIN_SECONDS = 30
const POLL_SECONDS = 0.05

/**
 * A shell script that records its own pid and start time, and then executes the program in the same process. The record
 * exists before the program runs, so that no started process is unrecorded when the lab's owner dies.
 */
const START_SCRIPT = `umask 077
exec >>"$2" 2>&1
echo "$$ $(cut -d " " -f 22 /proc/$$/stat)" >"$1" || exit 1
shift 2
exec "$@"`

const directory = (stateDir: string): string => join(stateDir, 'processes')
const recordFile = (stateDir: string, name: string): string => join(directory(stateDir), `${name}.pid`)
const logFile = (stateDir: string, name: string): string => join(stateDir, `${name}.log`)

/** All processes that were started in this lab, running or not. */
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
  // Otherwise the record of an earlier process with this name would be read.
  await rm(recordFile(stateDir, name), { force: true })
  const args = [
    '-c',
    START_SCRIPT,
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
  // The process belongs to the lab and may outlive this process. The tear-down finds it by its record.
  child.nodeChildProcess.unref()
  if (child.pid === undefined) throw new Error(`${name} did not start`, { cause: await child })
}

/** The last lines of a process's log, for the error message about its failed start. */
const lastLogLines = async (log: string): Promise<string> => {
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
  let last: unknown = 'no attempt was made'
  while (clock.monotonicSeconds() < deadline) {
    options.signal?.throwIfAborted()
    const process = (await recordedProcesses(stateDir)).find((candidate) => candidate.name === name)
    if (process && !(await isAlive(process.identity))) {
      return `${name} ended during its start:\n    ${await lastLogLines(process.log)}`
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
  return `${name} is not ready at ${address} after ${within} s (${String(last)}):\n    ${await lastLogLines(logFile(stateDir, name))}`
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

/** Starts the agents of these nodes (default: all), each in its node's namespace. Resolves when all are ready. */
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
      ...agentArguments(node, lab.rateBitsPerSecond),
    ],
  }))
  return startAll(deps, lab, starts, options)
}

/** Starts the collector in the machine's own namespace. Resolves when it is ready at `address`. */
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
