import { Topology, TopologyKind } from '#proto/meshgauge/collector/v1/run.ts'
import { closest } from '../../lib/config.ts'
import type { Problem } from '../command-errors.ts'
import type { RunOptions } from './run-options.ts'
import { readPairs, readWordList } from './text-lists.ts'
import type { ValueReader } from './value-reader.ts'

const TOPOLOGIES = {
  ring: TopologyKind.TOPOLOGY_KIND_RING,
  mesh: TopologyKind.TOPOLOGY_KIND_MESH,
  matrix: TopologyKind.TOPOLOGY_KIND_MATRIX,
  star: TopologyKind.TOPOLOGY_KIND_STAR,
  shifts: TopologyKind.TOPOLOGY_KIND_SHIFTS,
  pairs: TopologyKind.TOPOLOGY_KIND_PAIRS,
} as const

export type TopologyName = keyof typeof TOPOLOGIES

const TOPOLOGY_NAMES = Object.keys(TOPOLOGIES) as TopologyName[]

/** Options that mean something to one topology only. */
const OWN_OPTIONS: Partial<Record<keyof RunOptions, TopologyName>> = {
  matrix: 'matrix',
  clients: 'matrix',
  servers: 'matrix',
  center: 'star',
  shifts: 'shifts',
  seed: 'shifts',
  pairs: 'pairs',
}

/** The flag of an option as commander names it: `clientCpu` is `--client-cpu`. */
export const flagOf = (option: string): string =>
  `--${option.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`

export const MAX_UINT32 = 2 ** 32 - 1

/** Which topology is meant: the word, or what `--matrix` and `--pairs` imply. */
export const topologyName = (
  word: string | undefined,
  options: RunOptions,
  read: ValueReader,
): TopologyName | undefined => {
  const implied = options.matrix ? 'matrix' : options.pairs ? 'pairs' : undefined
  if (word === undefined) {
    return implied ?? read.refuse('TOPOLOGY', `is missing: one of ${TOPOLOGY_NAMES.join(', ')}`)
  }
  const known = TOPOLOGY_NAMES.find((name) => name === word)
  if (known) return known
  const meant = closest(word, TOPOLOGY_NAMES)
  const hint = meant ? `; did you mean ${meant}?` : `: one of ${TOPOLOGY_NAMES.join(', ')}`
  return read.refuse('TOPOLOGY', `"${word}" is not a topology${hint}`)
}

const readClientsAndServers = (options: RunOptions, read: ValueReader, problems: Problem[]) => {
  const files = options.matrix ?? []
  if (files.length > 0 && files.length !== 2) {
    read.refuse('--matrix', `takes two files, clients and servers; got ${files.length}: ${files.join(' ')}`)
    return { clients: [], servers: [] }
  }
  const [clientsFile, serversFile] = files
  if (clientsFile !== undefined && (options.clients !== undefined || options.servers !== undefined)) {
    read.refuse('--matrix', 'names clients and servers already; leave out --clients and --servers')
  }
  const clients = clientsFile
    ? readWordList('--matrix', clientsFile, problems)
    : read.list('--clients', options.clients)
  const servers = serversFile
    ? readWordList('--matrix', serversFile, problems)
    : read.list('--servers', options.servers)
  return { clients, servers }
}

export const readTopology = (
  name: TopologyName,
  options: RunOptions,
  read: ValueReader,
  problems: Problem[],
): Topology => {
  for (const [option, owner] of Object.entries(OWN_OPTIONS)) {
    if (options[option as keyof RunOptions] !== undefined && owner !== name) {
      read.refuse(flagOf(option), `belongs to ${owner}; the topology is ${name}`)
    }
  }
  const nodes = read.list('--nodes', options.nodes)
  const { clients, servers } =
    name === 'matrix' ? readClientsAndServers(options, read, problems) : { clients: [], servers: [] }
  if (name === 'matrix') {
    if (options.nodes !== undefined)
      read.refuse('--nodes', 'has no meaning for a matrix; use --clients and --servers')
    if (!options.matrix && options.clients === undefined)
      read.refuse('--clients', 'is missing (or --matrix FILE FILE)')
    if (!options.matrix && options.servers === undefined)
      read.refuse('--servers', 'is missing (or --matrix FILE FILE)')
  }
  if (name === 'star' && options.center === undefined)
    read.refuse('--center', 'is missing: the node in the middle')
  if (name === 'pairs' && options.pairs === undefined) read.refuse('--pairs', 'is missing: a:b,c:d or a file')
  if (name === 'pairs' && options.nodes !== undefined) read.refuse('--nodes', 'has no meaning for pairs')
  return Topology.fromPartial({
    kind: TOPOLOGIES[name],
    nodes,
    clients,
    servers,
    center: options.center ?? '',
    shiftCount: read.integer('--shifts', options.shifts, 1, 1_000_000) ?? 0,
    seed: read.integer('--seed', options.seed, 0, MAX_UINT32) ?? 0,
    pairs:
      name === 'pairs' && options.pairs !== undefined ? readPairs('--pairs', options.pairs, problems) : [],
  })
}
