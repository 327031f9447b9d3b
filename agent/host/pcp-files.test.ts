import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { parsePcpConf, pcp2jsonArgs, pmcdConfig, pmloggerConfig, readPcpJson } from './pcp-files.ts'

const conf = readFileSync(new URL('fixtures/debian-vm/pcp.conf', import.meta.url), 'utf8')

test("parses Debian's pcp.conf", () => {
  const paths = parsePcpConf(conf)!
  expect(paths).toEqual({
    pmcd: '/usr/lib/pcp/bin/pmcd',
    pmlogger: '/usr/lib/pcp/bin/pmlogger',
    pcp2json: '/usr/bin/pcp2json',
    pmpython: '/usr/bin/pmpython',
    linuxAgent: '/var/lib/pcp/pmdas/linux/pmda_linux.so',
    linuxNames: '/var/lib/pcp/pmns/root_linux',
    metricSets: '/etc/pcp/pmrep',
  })
  expect(pmcdConfig(paths)).toBe('linux 60 dso linux_init "/var/lib/pcp/pmdas/linux/pmda_linux.so"\n')
  expect(parsePcpConf('PCP_BIN_DIR=/usr/bin\n')).toBeUndefined()
})

test('records and exports the network, which the plugin of the workflow lacks', () => {
  const config = pmloggerConfig(0.25)
  const args = pcp2jsonArgs(parsePcpConf(conf)!, '/x/archive', 0.25)
  expect(config).toMatch(/^log mandatory on 250 msec \{\n/)
  for (const name of [
    'network.interface.in.bytes',
    'network.interface.out.packets',
    'network.interface.in.errors',
    'network.interface.out.drops',
    'network.tcp.retranssegs',
  ]) {
    expect(config).toContain(`  ${name}\n`)
    expect(args).toContain(name)
  }
  expect(args).toEqual(expect.arrayContaining([':vmstat', ':sar', ':sar-r']))
})

const printed = (samples: unknown[]) =>
  JSON.stringify({ '@pcp': { '@hosts': [{ '@metrics': samples }] } }, null, 2)

test('the output of pcp2json is stored without white space', () => {
  expect(readPcpJson(printed([{ '@interval': '0' }]), 1000)).toBe(
    '{"@pcp":{"@hosts":[{"@metrics":[{"@interval":"0"}]}]}}',
  )
})

test.each([
  ['', 'pcp2json printed nothing'],
  ['{ "@pcp": {', 'the output of pcp2json is not JSON'],
  ['null', 'the output of pcp2json has no samples of a host'],
  ['{"@pcp":{"@hosts":[]}}', 'the output of pcp2json has no samples of a host'],
  [printed([]), 'the archive of pmlogger has no sample'],
  [
    printed([{ x: 'é'.repeat(600) }]),
    '1245 bytes from pcp2json; at most 1000 are allowed: request a longer interval',
  ],
])('refuses %j', (text, message) => {
  expect(() => readPcpJson(text, 1000)).toThrow(message)
})
