import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { HostSource } from '#proto/meshgauge/agent/v1/host.ts'
import { Direction } from '#proto/meshgauge/agent/v1/iperf.ts'
import { TopologyKind } from '#proto/meshgauge/collector/v1/run.ts'
import type { Problem } from '../command-errors.ts'
import type { RunOptions } from './run-options.ts'
import { readRunSpec } from './run-spec.ts'
import { createValueReader } from './value-reader.ts'

const read = (word: string | undefined, options: RunOptions) => {
  const problems: Problem[] = []
  const spec = readRunSpec(word, options, createValueReader(problems), problems)
  return { spec, problems: problems.map(({ place, message }) => `${place} ${message}`) }
}

describe('readRunSpec', () => {
  test('reads the options of iperf', () => {
    const { spec, problems } = read('mesh', {
      test: 'iperf',
      interface: 'net0,net1',
      nodes: 'gpu-01,rack=r3',
      duration: '1m30s',
      omit: '2s',
      interval: '500ms',
      parallel: '8',
      bitrate: '10G',
      bidir: true,
      length: '128K',
      noDelay: true,
      dscp: '46',
      portRange: '5201-5299',
      uplinkCap: '4',
      exclusiveNodes: true,
      label: 'nightly',
    })
    expect(problems).toEqual([])
    expect(spec).toMatchObject({
      label: 'nightly',
      topology: { kind: TopologyKind.TOPOLOGY_KIND_MESH, nodes: ['gpu-01', 'rack=r3'] },
      interfaces: ['net0', 'net1'],
      caps: { perUplinkCount: 4, exclusiveNodes: true },
      test: {
        $case: 'iperf',
        value: {
          ports: { first: 5201, last: 5299 },
          options: {
            duration: { seconds: 90, nanos: 0 },
            omit: { seconds: 2, nanos: 0 },
            interval: { seconds: 0, nanos: 5e8 },
            parallelCount: 8,
            bitsPerSecond: 1e10,
            direction: Direction.DIRECTION_BIDIRECTIONAL,
            lengthBytes: 131072,
            noDelay: true,
            dscp: 46,
          },
        },
      },
    })
  })

  test('lists of Slurm reach the collector as they are', () => {
    const { spec, problems } = read('pairs', { test: 'ping', pairs: 'gpu-[01,03]:gpu-[02,04],a:b' })
    expect(problems).toEqual([])
    expect(spec.topology?.pairs).toEqual([
      { source: 'gpu-[01,03]', destination: 'gpu-[02,04]' },
      { source: 'a', destination: 'b' },
    ])
  })

  test('reads the options of ping', () => {
    const { spec, problems } = read('star', {
      test: 'ping',
      center: 'n1',
      count: '5',
      interval: '20ms',
      size: '1472',
      dontFragment: true,
    })
    expect(problems).toEqual([])
    expect(spec).toMatchObject({
      topology: { kind: TopologyKind.TOPOLOGY_KIND_STAR, center: 'n1' },
      test: {
        $case: 'ping',
        value: { count: 5, interval: { seconds: 0, nanos: 2e7 }, sizeBytes: 1472, dontFragment: true },
      },
    })
  })

  test.each([
    [{ sampleHosts: true as const }, { interval: undefined, source: HostSource.HOST_SOURCE_PROC }],
    [
      { sampleHosts: '500ms', sampleSource: 'pcp' },
      { interval: { seconds: 0, nanos: 5e8 }, source: HostSource.HOST_SOURCE_PCP },
    ],
    [{}, undefined],
  ])('reads the options of host sampling: %j', (options, hostSampling) => {
    const { spec, problems } = read('mesh', { test: 'iperf', ...options })
    expect(problems).toEqual([])
    expect(spec.hostSampling).toEqual(hostSampling)
  })

  test.each([
    [{ test: 'iperf', sampleSource: 'pcp' }, ['--sample-source needs --sample-hosts']],
    [{ test: 'iperf', sampleHosts: '20ms' }, ['--sample-hosts "20ms" is below 100ms']],
    [
      { test: 'iperf', sampleHosts: '5 mins', sampleSource: 'sar' },
      [
        '--sample-source "sar" is not one of proc, pcp',
        '--sample-hosts "5 mins" is not a duration; write 5m',
      ],
    ],
    [{ test: 'ping', sampleHosts: true as const }, ['--sample-hosts is an option of --test iperf']],
  ])('refuses invalid options of host sampling: %j', (options, problems) => {
    expect(read('mesh', options).problems).toEqual(problems)
  })

  test('reads pairs from the command line or from a file', () => {
    const file = join(mkdtempSync(join(tmpdir(), 'meshgauge-test-')), 'pairs.txt')
    writeFileSync(file, '# both ways\na b\nb:a # comment\n\n')
    for (const pairs of ['a:b,b:a', file]) {
      const { spec, problems } = read(undefined, { test: 'ping', pairs })
      expect(problems).toEqual([])
      expect(spec.topology?.pairs).toEqual([
        { source: 'a', destination: 'b' },
        { source: 'b', destination: 'a' },
      ])
    }
  })

  test('reads a matrix from two text lists', () => {
    const folder = mkdtempSync(join(tmpdir(), 'meshgauge-test-'))
    const [clients, servers] = [join(folder, 'clients.txt'), join(folder, 'servers.txt')]
    writeFileSync(clients, '# rack 1\n10.0.0.1\r\n10.0.0.2 # slow\n')
    writeFileSync(servers, 'fd00::7\n')
    const { spec, problems } = read(undefined, { test: 'iperf', matrix: [clients, servers] })
    expect(problems).toEqual([])
    expect(spec.topology).toMatchObject({
      kind: TopologyKind.TOPOLOGY_KIND_MATRIX,
      clients: ['10.0.0.1', '10.0.0.2'],
      servers: ['fd00::7'],
    })
  })
})

describe('readRunSpec reports all problems together', () => {
  test('invalid values', () => {
    const { problems } = read('mesh', {
      test: 'iperf',
      duration: '5 mins',
      omit: '10',
      bitrate: 'fast',
      parallel: '129',
      window: '-1',
      tos: '256',
      clientCpu: 'x',
      portRange: '5299-5201',
      nodes: 'a,,b',
      nodeCap: '0',
      engine: 'sockperf',
      mss: '1;reboot',
    })
    expect(problems).toEqual([
      '--nodes "a,,b" has an empty entry; write a,b,c',
      '--engine "sockperf" is not one of iperf3, netperf',
      '--port-range "5299-5201" is not a port range; write 5201-5299',
      '--duration "5 mins" is not a duration; write 5m',
      '--omit "10" is not a duration; write 10s',
      '--parallel "129" is not a whole number from 1 to 128',
      '--bitrate "fast" is not a bitrate; write 10G, 50mbit or 0 for unlimited',
      '--window "-1" is not a size; write 64K, 1G or a number of bytes',
      '--mss "1;reboot" is not a whole number from 88 to 65535',
      '--tos "256" is not a whole number from 0 to 255',
      '--client-cpu "x" is not a whole number from 0 to 4095',
      '--node-cap "0" is not a whole number from 1 to 1000000',
    ])
  })

  test('options that do not apply', () => {
    const { problems } = read('ring', {
      test: 'ping',
      center: 'n1',
      pairs: 'a:b',
      bitrate: '1G',
      duration: '10s',
      udp: true,
    })
    expect(problems).toEqual([
      '--duration is an option of --test iperf; a ping test takes --count times --interval',
      '--bitrate is an option of --test iperf',
      '--udp is an option of --test iperf',
      '--center is an option of star; the topology is ring',
      '--pairs is an option of pairs; the topology is ring',
    ])
  })

  test('missing arguments', () => {
    expect(read(undefined, {}).problems).toEqual([
      'TOPOLOGY is missing: one of ring, mesh, matrix, star, shifts, pairs',
      '--test is missing: give ping or iperf',
    ])
    expect(read('star', { test: 'ping' }).problems).toEqual(['--center is missing: give the center node'])
    expect(read('msh', { test: 'ping' }).problems).toEqual([
      'TOPOLOGY "msh" is not a topology; did you mean mesh?',
    ])
  })

  test('problems in text lists, with their lines', () => {
    const file = join(mkdtempSync(join(tmpdir(), 'meshgauge-test-')), 'list.txt')
    writeFileSync(file, '10.0.0.1\n10.0.0.1\n10.0.0.2 10.0.0.3\n')
    const { problems } = read(undefined, { test: 'ping', matrix: [file, '/nowhere/servers.txt'] })
    expect(problems).toEqual([
      `${file}:2 10.0.0.1 is already in line 1`,
      `${file}:3 "10.0.0.2 10.0.0.3" is more than one word; write one address per line`,
      '--matrix cannot read /nowhere/servers.txt: there is no such file',
    ])
  })
})
