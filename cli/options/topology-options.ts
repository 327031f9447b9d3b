/** The TOPOLOGY argument and the options of each topology. Names and descriptions come from the collector's registry. */

import type { Command } from 'commander'
import { type TopologyKind, Topology as TopologyMessage } from '#proto/meshgauge/collector/v1/run.ts'
import {
  type Topology,
  type TopologyField,
  type TopologyName,
  topologies,
} from '../../collector/topology/registry.ts'
import { closest } from '../../lib/config.ts'
import type { Problem } from '../command-errors.ts'
import { readPairs, readWordList } from './text-lists.ts'
import type { ValueReader } from './value-reader.ts'

const TOPOLOGY_NAMES = Object.keys(topologies) as TopologyName[]

/** The help text of the TOPOLOGY argument. */
export const TOPOLOGY_HELP = `One of ${TOPOLOGY_NAMES.slice(0, -1).join(', ')} or ${TOPOLOGY_NAMES.at(-1)}.`

/** The options that choose the pairs, as the user typed them. */
export type TopologyOptions = {
  nodes?: string
  matrix?: string[]
  clients?: string
  servers?: string
  center?: string
  shifts?: string
  seed?: string
  pairs?: string
}

type TopologyOption = {
  option: keyof TopologyOptions
  /** The field that it fills. The registry says which topologies use the field. */
  field: TopologyField
  flags: string
  description: string
  /** What to give, when a topology requires the field and it is empty. */
  missing?: string
}

/** One option for each field of a topology, except `nodes`. */
const TOPOLOGY_OPTIONS: readonly TopologyOption[] = [
  {
    option: 'matrix',
    field: 'clients',
    flags: '--matrix <files...>',
    description: 'two text files, clients then servers: one address per line, # starts a comment.',
  },
  {
    option: 'clients',
    field: 'clients',
    flags: '--clients <selectors>',
    description: 'nodes that send: names, labels or addresses.',
    missing: ' (or --matrix FILE FILE)',
  },
  {
    option: 'servers',
    field: 'servers',
    flags: '--servers <selectors>',
    description: 'nodes that receive: names, labels or addresses.',
    missing: ' (or --matrix FILE FILE)',
  },
  {
    option: 'center',
    field: 'center',
    flags: '--center <node>',
    description: 'the center node.',
    missing: ': give the center node',
  },
  {
    option: 'shifts',
    field: 'shiftCount',
    flags: '--shifts <k>',
    description: 'number of nodes that each node sends to. Default 7.',
  },
  {
    option: 'seed',
    field: 'seed',
    flags: '--seed <n>',
    description: 'seed of the random distances. The same seed gives the same pairs. Default 0.',
  },
  {
    option: 'pairs',
    field: 'pairs',
    flags: '--pairs <list>',
    description: 'the pairs, as source:destination,… or a file with one pair per line.',
    missing: ': give a:b,c:d or a file',
  },
]

const uses = (name: TopologyName, field: TopologyField): boolean => {
  const { uses: fields }: Topology = topologies[name]
  return fields.includes(field)
}

/** Whether the topology lists its own nodes, so that a selection of nodes does not apply to it. */
export const listsOwnNodes = (kind: TopologyKind): boolean =>
  TOPOLOGY_NAMES.some((name) => topologies[name].kind === kind && !uses(name, 'nodes'))

export const addTopologyOptions = (command: Command): Command => {
  for (const { field, flags, description } of TOPOLOGY_OPTIONS) {
    const names = TOPOLOGY_NAMES.filter((name) => uses(name, field)).join(', ')
    command.option(flags, `For ${names}: ${description}`)
  }
  return command
}

/** The paragraph of a help text that describes every topology, one per line, with its options. */
export const describeTopologies = (): string => {
  const width = Math.max(...TOPOLOGY_NAMES.map((name) => name.length))
  const lines = TOPOLOGY_NAMES.map((name) => {
    const flags = TOPOLOGY_OPTIONS.filter(({ field }) => uses(name, field)).map(({ option }) =>
      flagOf(option),
    )
    const options = flags.length > 0 ? ` (${flags.join(', ')})` : ''
    return `  ${name.padEnd(width)}  ${topologies[name].description}${options}`
  })
  return ['TOPOLOGY is one of:', ...lines].join('\n')
}

/** The flag of an option as commander names it: `clientCpu` is `--client-cpu`. */
export const flagOf = (option: string): string =>
  `--${option.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`

export const MAX_UINT32 = 2 ** 32 - 1

/** The topology that the user named, or that `--matrix` or `--pairs` implies. */
export const topologyName = (
  word: string | undefined,
  options: TopologyOptions,
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

const readClientsAndServers = (options: TopologyOptions, read: ValueReader, problems: Problem[]) => {
  const files = options.matrix ?? []
  if (files.length > 0 && files.length !== 2) {
    read.refuse('--matrix', `needs two files, clients and servers; got ${files.length}: ${files.join(' ')}`)
    return { clients: [], servers: [] }
  }
  const [clientsFile, serversFile] = files
  if (clientsFile !== undefined && (options.clients !== undefined || options.servers !== undefined)) {
    read.refuse('--matrix', 'lists clients and servers already; remove --clients and --servers')
  }
  const clients = clientsFile
    ? readWordList('--matrix', clientsFile, problems)
    : read.list('--clients', options.clients)
  const servers = serversFile
    ? readWordList('--matrix', serversFile, problems)
    : read.list('--servers', options.servers)
  return { clients, servers }
}

const refuseMissing = (name: TopologyName, options: TopologyOptions, read: ValueReader): void => {
  const { requires }: Topology = topologies[name]
  for (const { option, field, missing = '' } of TOPOLOGY_OPTIONS) {
    if (requires[field] === undefined || option === 'matrix' || options.matrix) continue
    if (options[option] === undefined) read.refuse(flagOf(option), `is missing${missing}`)
  }
}

/** The Topology message of a request. Adds every problem to `problems`. */
export const readTopology = (
  name: TopologyName,
  options: TopologyOptions,
  read: ValueReader,
  problems: Problem[],
): TopologyMessage => {
  for (const { option, field } of TOPOLOGY_OPTIONS) {
    if (options[option] === undefined || uses(name, field)) continue
    const users = TOPOLOGY_NAMES.filter((each) => uses(each, field)).join(', ')
    read.refuse(flagOf(option), `is an option of ${users}; the topology is ${name}`)
  }
  const nodes = read.list('--nodes', options.nodes)
  const { clients, servers } =
    name === 'matrix' ? readClientsAndServers(options, read, problems) : { clients: [], servers: [] }
  if (options.nodes !== undefined && !uses(name, 'nodes')) {
    const flags = TOPOLOGY_OPTIONS.filter(({ field, option }) => option !== 'matrix' && uses(name, field))
    const others = flags.map(({ option }) => flagOf(option)).join(' and ')
    read.refuse('--nodes', `does not apply to ${name}; use ${others}`)
  }
  refuseMissing(name, options, read)
  return TopologyMessage.fromPartial({
    kind: topologies[name].kind,
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
