/** Checks a profile across keys. The raw content may have any type. Reports all problems. */

import type { ReviewProblem } from '../../lib/config.ts'
import { ENGINES } from '../../lib/engines.ts'
import { EXPECTATION_NAMES, isExpectation } from '../../lib/expectations.ts'
import { readNetperfArguments } from '../../lib/netperf-arguments.ts'
import { parseDuration } from '../../lib/units.ts'
import { appliesTo, KIND_WORDS, measuredBy, type TestKind } from '../diagnosis/expectations.ts'
import { topologies } from '../topology/registry.ts'
import type { Topology } from '../topology/topology.ts'

type Raw = Record<string, unknown>
const isMap = (value: unknown): value is Raw =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const PING_ONLY = ['count', 'size', 'timeout', 'dont_fragment', 'ttl'] as const
const IPERF_ONLY = [
  'protocol',
  'direction',
  'instances',
  'bitrate',
  'message_size',
  'socket_size',
  'mss',
  'no_delay',
  'congestion',
  'dscp',
  'zerocopy',
  'family',
  'client_cpu',
  'server_cpu',
  'request_size',
  'response_size',
  'burst',
  'connection',
  'netperf_arguments',
  'duration',
  'warmup',
] as const
const TRANSACTIONS_ONLY = ['request_size', 'response_size', 'burst', 'connection'] as const
const STREAMS_ONLY = ['message_size', 'bitrate', 'zerocopy', 'instances'] as const
const TCP_ONLY = ['mss', 'no_delay', 'congestion', 'zerocopy', 'connection'] as const
/** Options of netperf that a key of the profile replaces. */
const KEYS_OF_FLAGS: Record<string, string> = {
  d: 'direction',
  l: 'duration',
  r: 'request_size and response_size',
  t: 'direction and protocol',
  T: 'protocol',
  b: 'burst',
  c: 'connection',
}

/** Returns the kind of a test; undefined when it has none. */
const kindOfRaw = (test: Raw): TestKind | undefined => {
  if (test.test === 'ping') return 'ping'
  if (test.test !== 'iperf' && test.direction === undefined) return undefined
  if (test.direction === 'rr') return test.connection === true ? 'connections' : 'transactions'
  return test.protocol === 'udp' ? 'udp' : 'tcp'
}

const isTransactions = (kind: TestKind): boolean => kind === 'transactions' || kind === 'connections'

const given = (test: Raw, keys: readonly string[]): string[] => keys.filter((key) => test[key] !== undefined)

/** Whether a key has an effect: one instance is the default of every test. */
const hasEffect = (test: Raw, key: string): boolean => !(key === 'instances' && test[key] === 1)

type Report = (key: string, message: string) => void

const reviewKeys = (test: Raw, kind: TestKind, report: Report): void => {
  if (kind === 'ping') {
    for (const key of given(test, IPERF_ONLY)) {
      const hint = key === 'duration' ? '; a ping is as long as count times interval' : ''
      report(key, `is for iperf; this test is ping${hint}`)
    }
    return
  }
  for (const key of given(test, PING_ONLY)) report(key, 'is for ping; this test is iperf')
  if (isTransactions(kind)) {
    for (const key of given(test, STREAMS_ONLY).filter((each) => hasEffect(test, each))) {
      const hint = key === 'instances' ? '; more transactions at once are burst' : ''
      report(key, `is for streams; this test is direction: rr${hint}`)
    }
  } else {
    for (const key of given(test, TRANSACTIONS_ONLY)) report(key, 'is for direction: rr')
  }
  if (test.protocol === 'udp') for (const key of given(test, TCP_ONLY)) report(key, 'is for TCP')
  if (test.tos !== undefined && test.dscp !== undefined) report('dscp', 'cannot be given together with tos')
}

const reviewEngine = (test: Raw, kind: TestKind, report: Report): void => {
  const { engine } = test
  const fitting: readonly string[] =
    kind === 'ping' ? ENGINES.ping : isTransactions(kind) ? ['netperf'] : ENGINES.iperf
  if (typeof engine === 'string' && !fitting.includes(engine))
    report('engine', `${engine} does not do ${KIND_WORDS[kind]}; ${fitting.join(' or ')} does`)
  if (engine === 'netperf' && !isTransactions(kind)) {
    for (const key of given(test, ['bitrate', 'zerocopy', 'instances']).filter((each) =>
      hasEffect(test, each),
    ))
      report(key, 'is not for netperf, which sends one stream as fast as it can')
    if (test.direction === 'bidir') report('direction', 'netperf sends one way; send or recv')
    if (kind === 'udp' && ['recv', 'maerts'].includes(String(test.direction)))
      report('direction', 'netperf sends datagrams from the client only')
  }
}

const reviewArguments = (test: Raw, kind: TestKind): ReviewProblem[] => {
  const words = test.netperf_arguments
  if (!Array.isArray(words) || !words.every((word) => typeof word === 'string')) return []
  const at = (index: number) => ['netperf_arguments', Math.min(index, words.length - 1)]
  if (test.engine !== 'netperf' && !isTransactions(kind))
    return [{ path: ['netperf_arguments'], message: 'are for engine: netperf' }]
  const { found, problems } = readNetperfArguments(words)
  return [
    ...problems.map(({ index, message }) => ({ path: at(index), message })),
    ...found.flatMap(({ flag, index }) =>
      KEYS_OF_FLAGS[flag] ? [{ path: at(index), message: `-${flag} is ${KEYS_OF_FLAGS[flag]} here` }] : [],
    ),
  ]
}

/** iperf3 and netperf accept only whole seconds. */
const WHOLE = ['duration', 'warmup'] as const
const reviewSeconds = (settings: Raw, report: Report): void => {
  for (const key of WHOLE) {
    const value = settings[key]
    const seconds =
      typeof value === 'string' ? parseDuration(value) : typeof value === 'number' ? value : undefined
    if (seconds !== undefined && !Number.isInteger(seconds))
      report(key, `"${value}" is no whole number of seconds, which is what iperf3 and netperf count`)
  }
}

const reviewTopology = (test: Raw, global: Raw, report: Report): void => {
  const of = (key: string) => test[key] ?? global[key]
  const name = of('topology') ?? 'mesh'
  const topology = Object.values<Topology>(topologies).find((each) => each.name === name)
  for (const key of Object.keys(topology?.requires ?? {}))
    if (of(key) === undefined) report('topology', `${name} needs ${key}`)
}

const reviewExpectations = (expectations: unknown, kind: TestKind): ReviewProblem[] =>
  Object.keys(isMap(expectations) ? expectations : {}).flatMap((name) =>
    isExpectation(name) && !appliesTo(name, kind)
      ? [
          {
            path: ['expectations', name],
            message: `is measured by ${measuredBy(name)}; this test is ${KIND_WORDS[kind]}`,
          },
        ]
      : [],
  )

/** Checks one test across keys. Paths are relative to the test. */
export const reviewTest = (test: Raw, global: Raw): ReviewProblem[] => {
  const problems: ReviewProblem[] = []
  const report: Report = (key, message) =>
    problems.push({ path: test[key] === undefined ? [] : [key], message })
  const kind = kindOfRaw(test)
  reviewTopology(test, global, report)
  if (kind === undefined) {
    report('', 'has no test: ping or iperf, and no direction, which would make it iperf')
    return problems
  }
  reviewKeys(test, kind, report)
  reviewEngine(test, kind, report)
  if (kind !== 'ping') reviewSeconds(test, report)
  return [...problems, ...reviewArguments(test, kind), ...reviewExpectations(test.expectations, kind)]
}

/** Finds expectations of the profile that none of its tests measures. */
const reviewUnmeasured = (expectations: unknown, kinds: readonly (TestKind | undefined)[]): ReviewProblem[] =>
  EXPECTATION_NAMES.filter((name) => isMap(expectations) && expectations[name] !== undefined).flatMap(
    (name) =>
      kinds.some((kind) => kind === undefined || appliesTo(name, kind))
        ? []
        : [
            {
              path: ['expectations', name],
              message: `no test of this profile measures it; ${measuredBy(name)} would`,
            },
          ],
  )

const reviewNames = (tests: readonly unknown[]): ReviewProblem[] => {
  const first = new Map<string, number>()
  return tests.flatMap((test, index): ReviewProblem[] => {
    const name = isMap(test) && typeof test.name === 'string' ? test.name : undefined
    if (name === undefined) return []
    const before = first.get(name)
    if (before === undefined) {
      first.set(name, index)
      return []
    }
    const message = `"${name}" is also the name of another test`
    return [{ path: ['tests', index, 'name'], message, also: ['tests', before, 'name'] }]
  })
}

export const reviewProfile = (raw: unknown): ReviewProblem[] => {
  if (!isMap(raw)) return []
  const tests = Array.isArray(raw.tests) ? raw.tests : []
  const global = isMap(raw.global) ? raw.global : {}
  const problems: ReviewProblem[] = []
  reviewSeconds(global, (key, message) => problems.push({ path: ['global', key], message }))
  const ofTests = tests.flatMap((test, index) =>
    isMap(test)
      ? reviewTest(test, global).map((problem) => ({ ...problem, path: ['tests', index, ...problem.path] }))
      : [],
  )
  const kinds = tests.map((test) => (isMap(test) ? kindOfRaw(test) : undefined))
  return [
    ...problems,
    ...ofTests,
    ...reviewNames(tests),
    ...(tests.length > 0 ? reviewUnmeasured(raw.expectations, kinds) : []),
  ]
}
