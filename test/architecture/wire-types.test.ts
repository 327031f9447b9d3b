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

test('no domain file uses the messages of verdicts and summaries', () => {
  const messages =
    /import (?:type )?\{[^}]*\b(?:Verdict|CulpritKind|FaultDirection|Judgement|Summary|ExpectationResult|InterfaceSummary|EndpointPair)\b[^}]*\} from '#proto\/meshgauge\/collector\/v1\/result\.ts'/
  const wrong = domainFiles.filter((file) => messages.test(readFileSync(file, 'utf8')))
  expect(wrong).toEqual([])
})
