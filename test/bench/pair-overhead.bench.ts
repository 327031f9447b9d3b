/** Measures one pair alternately through meshgauge and with the same programs directly. The results must be equal. */

import { startTestFleet } from '../testing/test-fleet.ts'
import { expectAtLeast, expectAtMost, median } from './figures.ts'

const ROUNDS = 5
const fleet = await startTestFleet({ nodes: 2 })
try {
  const [one, two] = fleet.lab.nodes
  const [from, to] = [one!.interfaces[0]!.address, two!.interfaces[0]!.address]
  const pair = ['--pairs', 'node-1:node-2', '--interface', 'net0']

  const throughputs: { ours: number; byHand: number }[] = []
  for (let round = 0; round < ROUNDS; round++) {
    const document = await fleet.json('run', 'pairs', ...pair, '--test', 'iperf', '--duration', '3s')
    const server = fleet.inside('node-2', 'iperf3', '-s', '-1', '-B', to, '-p', '5100')
    await new Promise((resolve) => setTimeout(resolve, 300))
    const { stdout } = await fleet.inside(
      'node-1',
      'iperf3',
      '-c',
      to,
      '-B',
      from,
      '-p',
      '5100',
      '-t',
      '3',
      '-J',
    )
    await server
    const byHand = JSON.parse(stdout).end.sum_received.bits_per_second as number
    throughputs.push({ ours: document.pairs[0]!.iperf!.bitsPerSecond, byHand })
  }
  const ratio = median(throughputs.map(({ ours, byHand }) => ours / byHand))
  console.log(`iperf3 directly ${(median(throughputs.map(({ byHand }) => byHand)) / 1e6).toFixed(1)} Mbit/s`)
  expectAtLeast('throughput through meshgauge over iperf3 directly', ratio, 0.98)

  const trips: { ours: number; byHand: number }[] = []
  for (let round = 0; round < ROUNDS; round++) {
    const options = ['--test', 'ping', '--count', '100', '--ping-interval', '20ms']
    const document = await fleet.json('run', 'pairs', ...pair, ...options)
    const { stderr } = await fleet.inside('node-1', 'fping', '-q', '-c', '100', '-p', '20', '-I', 'net0', to)
    const byHand = Number(/avg\/max = [\d.]+\/([\d.]+)\//.exec(stderr)?.[1]) / 1000
    trips.push({ ours: document.pairs[0]!.ping!.rttSeconds!.avg!, byHand })
  }
  const difference = Math.abs(median(trips.map(({ ours, byHand }) => ours / byHand)) - 1)
  console.log(`fping directly ${(median(trips.map(({ byHand }) => byHand)) * 1e6).toFixed(0)} µs on average`)
  expectAtMost('mean round-trip time, difference from fping directly', difference, 0.05)
} finally {
  fleet.client.close()
  await fleet.close()
}
