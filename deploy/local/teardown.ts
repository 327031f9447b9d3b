import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { LabDeps } from './deps.ts'
import { endProcesses } from './ending.ts'
import { type Identity, identityOf } from './identity.ts'
import { recordedProcesses } from './processes.ts'
import { knownIndexes, removeState, stateDirectory } from './state.ts'
import { hostLink, LINK_ALIAS, labOfNamespace } from './topology.ts'

const NAMESPACES = '/run/netns'

const isAbsent = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && error.code === 'ENOENT'

/** The namespaces of lab `index` that are there. */
export const labNamespaces = async (index: number): Promise<string[]> => {
  try {
    const names = await readdir(NAMESPACES)
    return names.filter((name) => labOfNamespace(name) === index)
  } catch (error) {
    if (isAbsent(error)) return []
    throw error
  }
}

/** True when the machine's end of the lab's management link is there, and ours. */
export const hasHostLink = async ({ commands }: LabDeps, index: number): Promise<boolean> => {
  const name = hostLink(index)
  const devices = await readFile('/proc/net/dev', 'utf8')
  if (!new RegExp(`^\\s*${name}:`, 'm').test(devices)) return false
  const links = JSON.parse(await commands.read('ip', ['-json', 'link', 'show', 'dev', name])) as {
    ifalias?: string
  }[]
  return links.some((link) => link.ifalias === `${LINK_ALIAS} ${index}`)
}

/** A namespace as the kernel tells them apart. */
const namespaceAt = async (path: string): Promise<string | undefined> => {
  try {
    const { dev, ino } = await stat(path)
    return `${dev}:${ino}`
  } catch {
    // It has ended, or is not ours to look into; either way it is not in a namespace of ours.
    return undefined
  }
}

/** Whoever runs in these namespaces, started by us or by hand: a namespace lives on as long as anyone is in it. */
const inhabitants = async (namespaces: readonly string[]): Promise<Identity[]> => {
  const wanted = new Set(await Promise.all(namespaces.map((name) => namespaceAt(join(NAMESPACES, name)))))
  // Should one of our names have been given to the machine's own namespace, everything would count as ours.
  wanted.delete(await namespaceAt('/proc/self/ns/net'))
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number)
  const found = await Promise.all(
    pids.map(async (pid) => {
      const namespace = await namespaceAt(`/proc/${pid}/ns/net`)
      return namespace && wanted.has(namespace) ? await identityOf(pid) : undefined
    }),
  )
  return found.filter((identity) => identity !== undefined)
}

/** A process may start another while we look; a host that keeps doing so after this many looks is a bug. */
const LOOKS = 5

const empty = async (deps: LabDeps, namespaces: readonly string[]): Promise<void> => {
  for (let look = 0; look < LOOKS; look++) {
    const found = await inhabitants(namespaces)
    if (found.length === 0) return
    await endProcesses(deps.clock, found)
  }
}

/** Deletes what is there, and looks again: someone else may be tearing the same lab down. */
const unmake = async (deps: LabDeps, index: number): Promise<void> => {
  let failure: unknown
  for (let look = 0; look < LOOKS; look++) {
    const lines = (await labNamespaces(index)).map((name) => `netns del ${name}`)
    // It would go with the switch's namespace, but only some time after that.
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
 * Ends the lab's processes and unmakes its namespaces, links and state. Goes by what is there, not by what the state
 * says should be: half-built and damaged labs go too, and a lab that is gone already is no error.
 */
export const labDown = async (deps: LabDeps, index: number): Promise<void> => {
  const namespaces = await labNamespaces(index)
  const recorded = await recordedProcesses(stateDirectory(deps.stateRoot, index))
  await endProcesses(
    deps.clock,
    recorded.map(({ identity }) => identity),
  )
  await empty(deps, namespaces)
  await unmake(deps, index)
  await removeState(deps.stateRoot, index)
}

/** Every lab that has left anything on this machine. */
export const presentLabs = async ({ stateRoot }: LabDeps): Promise<number[]> => {
  const names = await readdir(NAMESPACES).catch((error: unknown) => {
    if (isAbsent(error)) return []
    throw error
  })
  const built = names.flatMap((name) => labOfNamespace(name) ?? [])
  return [...new Set([...(await knownIndexes(stateRoot)), ...built])].sort((a, b) => a - b)
}
