import { readFileSync } from 'node:fs'
import { execaSync } from 'execa'
import { expect, test } from 'vitest'

/** Where messages may be read and built: the services, the converters, and the streams between collector and agents. */
const EDGES: readonly RegExp[] = [
  /^agent\/(services|mesh)\//,
  /^collector\/services\//,
  /-message\.ts$/,
  /^collector\/dispatch\/measure-(iperf|pings)\.ts$/,
  /^collector\/(mesh|traffic)\/agents\//,
]

const isTest = (file: string) => /\.test\.ts$|\/testing\//.test(file)

const domainFiles = execaSync('git', [
  'ls-files',
  '--cached',
  '--others',
  '--exclude-standard',
  'agent',
  'collector',
])
  .stdout.split('\n')
  .filter((file) => file.endsWith('.ts') && !isTest(file) && !EDGES.some((edge) => edge.test(file)))

test('only the edges switch on the oneofs of messages', () => {
  const wrong = domainFiles.filter((file) => readFileSync(file, 'utf8').includes('$case'))
  expect(wrong).toEqual([])
})

test('no domain file asserts that a field of a message is present', () => {
  const asserted = /\.(spec|test|options|plan|progress|topology|source|destination)!/
  const wrong = domainFiles.filter((file) => asserted.test(readFileSync(file, 'utf8')))
  expect(wrong).toEqual([])
})

/**
 * Messages that domain code still uses as plain records. None has a oneof. `Run`, `PairResult`, `ScheduleSpec` and
 * `Traffic` are only read by the domain types of the same name, which replace their oneofs and optional parts.
 * Do not add any: write a domain type and a `*-message.ts` converter.
 */
const RECORDS = new Set(
  [
    // What a test measured, and the options that an engine gets.
    'CpuSample Duration Engine EngineVersion Evidence Flow FlowChange HostSample HostSamples HostSampling Interface',
    'InterfaceSample IperfOptions IperfResult IperfSample Limits NodeMetadata PingRequest PingResult PingStatistics',
    'PortRange RttSpread RttStatistics ServeRequest ServeResult CheckServiceImplementation',
    // Parts of specs and plans.
    'Blackout Budget Caps Expectation Plan Progress Topology',
    // Findings, verdicts and what the API shows of them.
    'CheckDescription CheckGateResponse CheckRecord CheckResult Endpoint Finding',
    'NodeGate NodeHealth PairExpectation Spread',
    // The ping mesh: windows of the agents, assignments to them, and its views.
    'GetMeshResponse Mesh MeshAssignment MeshBatch MeshEvent MeshGroup MeshWindow Path PathWindow',
    // Views of schedules, traffic and the config.
    'Coverage GetCoverageRequest GetCoverageResponse PairCoverage ReloadFleetResponse Schedule TrafficFlow',
    // Read by the domain types.
    'PairResult Run ScheduleSpec Traffic',
  ].flatMap((line) => line.split(' ')),
)

/** The names of all messages in the generated code: they are its interfaces. Enums are constants. */
const messageNames = new Set(
  execaSync('git', ['ls-files', 'proto/gen'])
    .stdout.split('\n')
    .filter((file) => file.endsWith('.ts'))
    .flatMap((file) => [...readFileSync(file, 'utf8').matchAll(/^export interface (\w+)/gm)])
    .map(([, name]) => name!),
)

const importedMessages = (file: string): string[] =>
  [...readFileSync(file, 'utf8').matchAll(/^import (?:type )?\{([^}]*)\} from '#proto\//gm)]
    .flatMap(([, names]) => names!.split(','))
    .map((name) =>
      name
        .trim()
        .replace(/^type /, '')
        .replace(/ as .*/, ''),
    )
    .filter((name) => messageNames.has(name))

test('domain files import no messages except plain records', () => {
  expect(messageNames.size).toBeGreaterThan(100)
  const wrong = domainFiles.flatMap((file) =>
    importedMessages(file)
      .filter((name) => !RECORDS.has(name))
      .map((name) => `${file} imports ${name}: give it a domain type and a *-message.ts converter`),
  )
  expect(wrong).toEqual([])
})
