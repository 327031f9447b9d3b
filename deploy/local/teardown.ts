import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { endProcesses } from './end-processes.ts'
import { type Identity, identityOf } from './identity.ts'
import type { LabDeps } from './lab-deps.ts'
import { recordedProcesses } from './processes.ts'
import { knownIndexes, removeState, stateDirectory } from './state.ts'
import { hostLink, LINK_ALIAS, labOfNamespace } from './topology.ts'

const NAMESPACES = '/run/netns'

const isAbsent = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && error.code === 'ENOENT'

/** The existing network namespaces of lab `index`. */
export const labNamespaces = async (index: number): Promise<string[]> => {
  try {
    const names = await readdir(NAMESPACES)
    return names.filter((name) => labOfNamespace(name) === index)
  } catch (error) {
    if (isAbsent(error)) return []
    throw error
  }
}

/** True when the machine's end of the lab's management link exists. Its alias shows that a lab created it. */
export const hasHostLink = async ({ commands }: LabDeps, index: number): Promise<boolean> => {
  const name = hostLink(index)
  const devices = await readFile('/proc/net/dev', 'utf8')
  if (!new RegExp(`^\\s*${name}:`, 'm').test(devices)) return false
  const links = JSON.parse(await commands.read('ip', ['-json', 'link', 'show', 'dev', name])) as {
    ifalias?: string
  }[]
  return links.some((link) => link.ifalias === `${LINK_ALIAS} ${index}`)
}

/** The identity of a namespace file: its device and inode number. */
const namespaceIdentity = async (path: string): Promise<string | undefined> => {
  try {
    const { dev, ino } = await stat(path)
    return `${dev}:${ino}`
  } catch {
    // The process has ended, or this user may not inspect it. Neither is in a namespace of a lab.
    return undefined
  }
}

/** All processes in these namespaces, also those started by hand: a namespace exists until its last process ends. */
const processesIn = async (namespaces: readonly string[]): Promise<Identity[]> => {
  const wanted = new Set(
    await Promise.all(namespaces.map((name) => namespaceIdentity(join(NAMESPACES, name)))),
  )
  // If a lab's name was given to the machine's own namespace, all processes of the machine would match.
  wanted.delete(await namespaceIdentity('/proc/self/ns/net'))
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number)
  const found = await Promise.all(
    pids.map(async (pid) => {
      const namespace = await namespaceIdentity(`/proc/${pid}/ns/net`)
      return namespace && wanted.has(namespace) ? await identityOf(pid) : undefined
    }),
  )
  return found.filter((identity) => identity !== undefined)
}

/** Processes can start others during the tear-down, so each step is repeated. More repetitions mean a bug. */
const MAX_ATTEMPTS = 5

const endNamespaceProcesses = async (deps: LabDeps, namespaces: readonly string[]): Promise<void> => {
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
    const found = await processesIn(namespaces)
    if (found.length === 0) return
    await endProcesses(deps.clock, found)
  }
}

/** Deletes namespaces and the management link. Repeats, because another process may delete the same lab at the same time. */
const deleteNetworks = async (deps: LabDeps, index: number): Promise<void> => {
  let failure: unknown
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
    const lines = (await labNamespaces(index)).map((name) => `netns del ${name}`)
    // The kernel deletes the link together with the switch's namespace, but only some time later.
    if (await hasHostLink(deps, index)) lines.unshift(`link del ${hostLink(index)}`)
    if (lines.length === 0) return
    try {
      await deps.commands.ip(lines)
      failure = undefined
    } catch (error) {
      failure = error
    }
  }
  if (failure) throw failure
}

/**
 * Ends the lab's processes and deletes its namespaces, link and state. It looks for what exists and does not read the
 * state file, so it also deletes partial and damaged labs. A lab that does not exist is not an error.
 */
export const labDown = async (deps: LabDeps, index: number): Promise<void> => {
  const namespaces = await labNamespaces(index)
  const recorded = await recordedProcesses(stateDirectory(deps.stateRoot, index))
  await endProcesses(
    deps.clock,
    recorded.map(({ identity }) => identity),
  )
  await endNamespaceProcesses(deps, namespaces)
  await deleteNetworks(deps, index)
  await removeState(deps.stateRoot, index)
}

/** The numbers of all labs with a state directory or a namespace on this machine. */
export const presentLabs = async ({ stateRoot }: LabDeps): Promise<number[]> => {
  const names = await readdir(NAMESPACES).catch((error: unknown) => {
    if (isAbsent(error)) return []
    throw error
  })
  const built = names.flatMap((name) => labOfNamespace(name) ?? [])
  return [...new Set([...(await knownIndexes(stateRoot)), ...built])].sort((a, b) => a - b)
}
