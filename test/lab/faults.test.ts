import { execa } from 'execa'
import { afterEach, beforeEach, expect, it } from 'vitest'
import {
  createLab,
  heal,
  type LabOptions,
  labStatus,
  type OwnedLab,
  openLab,
  parseFault,
  parseFaultPlace,
  setFault,
} from '../../deploy/local/lab.ts'
import { describeLab, labDeps } from '../testing/lab.ts'
import {
  addressOf,
  binomialMargin,
  iperf,
  type LabPair,
  lostRequests,
  meshPairs,
  onNode,
  ping,
} from '../testing/lab-measurements.ts'

/** Slow enough that a busy machine gives eight pairs the same rate. */
const RATE = 100e6
const LAB: LabOptions = { nodes: 4, rateBitsPerSecond: RATE }

let owned: OwnedLab
const create = async (options: LabOptions) => {
  owned = await createLab(labDeps, options)
}
const pair = (source: number, destination: number, network = 'net1'): LabPair => ({
  source: `node-${source}`,
  destination: `node-${destination}`,
  network,
})
const fault = (text: string) => setFault(labDeps, owned.lab, parseFault(text, owned.lab))
const healFault = (text?: string) =>
  heal(labDeps, owned.lab, text ? parseFaultPlace(text, owned.lab) : undefined)
/** Bits per second. */
type Bounds = { least: number; most: number }
/** The accepted range around a fault's value. */
const near = (wanted: number): Bounds => ({ least: wanted * 0.9, most: wanted * 1.1 })
const HEALTHY: Bounds = { least: RATE * 0.85, most: RATE }
const NOTHING: Bounds = { least: 0, most: 0 }
const ATTEMPTS = 6

/**
 * Measures all pairs at the same time and expects each rate, or the sum of a group of pairs, within its bounds. Other
 * load on the machine can distort a measurement, so it is repeated up to ATTEMPTS times. A wrong fault fails each time.
 */
const expectRates = async (expected: readonly [LabPair | LabPair[], Bounds][], ...args: string[]) => {
  for (let attempt = 1; ; attempt++) {
    const pairs = expected.flatMap(([pair]) => pair)
    const figures = await iperf(owned.lab, pairs, ...args)
    const sums = expected.map(([pair, bounds]) => ({
      ...bounds,
      value: [pair].flat().reduce((sum, each) => sum + figures[pairs.indexOf(each)]!.bitsPerSecond, 0),
    }))
    const wrong = sums.filter(({ value, least, most }) => value < least || value > most)
    if (wrong.length === 0) return
    if (attempt === ATTEMPTS) expect(wrong).toEqual([])
  }
}
const RAMPED = ['-t', '2', '-O', '1']
const pingPasses = async (from: LabPair, packetBytes: number): Promise<boolean> => {
  const to = addressOf(owned.lab, { node: from.destination, network: from.network })
  const payload = String(packetBytes - 28)
  const args = ['ping', '-c', '3', '-i', '0.02', '-W', '1', '-M', 'do', '-s', payload, to]
  return !(await execa(...onNode(owned.lab, from.source, ...args), { reject: false })).failed
}

afterEach(() => owned.down())

describeLab('a lab without faults', () => {
  it('gives a single pair the rate of its interfaces', async () => {
    await create({ nodes: 2 })
    // This test needs most of a core.
    await expectRates([[pair(1, 2), { least: 0.8e9, most: 1e9 }]], ...RAMPED)
  })

  it('gives all pairs of a ring the same rate, on both networks', async () => {
    await create(LAB)
    const ring = [pair(1, 2), pair(2, 3), pair(3, 4), pair(4, 1)]
    const pairs = [...ring, ...ring.map((one) => ({ ...one, network: 'net0' }))]
    await expectRates(
      pairs.map((one) => [one, HEALTHY]),
      ...RAMPED,
    )
  })

  it('limits the traffic out of a rack to the rate of its uplink', async () => {
    await create({ nodes: 4, racks: 2, rateBitsPerSecond: RATE, uplinkBitsPerSecond: 50e6 })
    await expectRates(
      [
        [[pair(1, 3), pair(2, 4)], near(50e6)],
        [pair(3, 4, 'net0'), HEALTHY],
      ],
      '-t',
      '2',
    )
  })
})

describeLab('a rate fault', () => {
  beforeEach(() => create(LAB))

  it.each([
    ['tx', pair(3, 1), pair(1, 3)],
    ['rx', pair(1, 3), pair(3, 1)],
  ])('in %s limits that direction only', async (direction, slow, fast) => {
    await fault(`rate:node-3:net1:${direction}:20mbit`)
    await expectRates(
      [
        [slow, near(20e6)],
        [fast, HEALTHY],
        [{ ...slow, network: 'net0' }, HEALTHY],
        [pair(2, 4), HEALTHY],
      ],
      ...RAMPED,
    )
  })

  it('is replaced and healed', async () => {
    await fault('rate:node-3:net1:both:20mbit')
    await fault('rate:node-3:net1:tx:50mbit')
    await expectRates(
      [
        [pair(3, 1), near(50e6)],
        [pair(1, 3), near(20e6)],
      ],
      ...RAMPED,
    )
    await healFault('rate:node-3:net1:tx')
    await expectRates(
      [
        [pair(3, 1), HEALTHY],
        [pair(1, 3), near(20e6)],
      ],
      ...RAMPED,
    )
  })
})

describeLab('a loss fault', () => {
  beforeEach(() => create(LAB))
  const count = 1000

  it.each([
    ['tx', pair(2, 1, 'net0'), pair(1, 2, 'net0')],
    ['rx', pair(1, 2, 'net0'), pair(2, 1, 'net0')],
  ])('in %s drops its ratio of packets in that direction and no others', async (direction, lossy, clean) => {
    await fault(`loss:node-2:net0:${direction}:10%`)
    const pairs = [clean, pair(3, 4, 'net0'), { ...lossy, network: 'net1' }]
    const lost = await lostRequests(owned.lab, lossy, count)
    expect(Math.abs(lost / count - 0.1)).toBeLessThan(binomialMargin(0.1, count))
    for (const other of pairs) expect(await lostRequests(owned.lab, other, 200)).toBe(0)
  })

  it('of both directions affects a round trip twice, for all peers of the node and no other pair', async () => {
    await fault('loss:node-2:net0:both:10%')
    const [mesh, other] = await Promise.all([
      ping(owned.lab, meshPairs(owned.lab, 'net0').slice(0, 3), { count }),
      ping(owned.lab, meshPairs(owned.lab, 'net1').slice(0, 3), { count }),
    ])
    const expected = 1 - 0.9 * 0.9
    for (const { destination, lossRatio } of mesh) {
      if (destination !== 'node-2') expect(lossRatio).toBe(0)
      else expect(Math.abs(lossRatio - expected)).toBeLessThan(binomialMargin(expected, count))
    }
    for (const { lossRatio } of other) expect(lossRatio).toBe(0)
    await healFault()
    for (const { lossRatio } of await ping(owned.lab, meshPairs(owned.lab, 'net0').slice(0, 3), {
      count: 200,
    })) {
      expect(lossRatio).toBe(0)
    }
  })
})

describeLab('a cut', () => {
  beforeEach(() => create(LAB))
  const carrier = async (): Promise<string> =>
    (await execa(...onNode(owned.lab, 'node-4', 'cat', '/sys/class/net/net1/carrier'))).stdout

  it('of one direction stops that direction while the link still has carrier', async () => {
    // Resolves the addresses first; later the cut would also drop the ARP replies.
    await ping(owned.lab, [pair(1, 4)])
    await fault('cut:node-4:net1:tx')
    expect(await carrier()).toBe('1')
    const port = ['-s', '-j', '-n', `mg${owned.lab.index}-node-4`, 'link', 'show', 'dev', 'net1']
    const received = async (): Promise<number> => {
      const [link] = JSON.parse((await execa('ip', port)).stdout) as {
        stats64: { rx: { packets: number } }
      }[]
      return link?.stats64.rx.packets ?? 0
    }
    const before = await received()
    const [cut] = await ping(owned.lab, [pair(1, 4)], { count: 20 })
    expect(cut?.lossRatio).toBe(1)
    expect(await received()).toBeGreaterThanOrEqual(before + 20)
    expect(
      (await ping(owned.lab, [pair(1, 2), pair(1, 3)], { count: 20 })).map((one) => one.lossRatio),
    ).toEqual([0, 0])
  })

  it('of both directions removes the carrier, and healing restores it', async () => {
    await fault('cut:node-4:net1:both')
    expect(await carrier()).toBe('0')
    const pairs = [pair(1, 4), pair(1, 4, 'net0'), pair(1, 2)]
    expect((await ping(owned.lab, pairs.slice(0, 1), { count: 5 })).map((one) => one.lossRatio)).toEqual([1])
    expect((await ping(owned.lab, pairs.slice(1), { count: 5 })).map((one) => one.lossRatio)).toEqual([0, 0])
    await healFault('cut:node-4:net1:both')
    expect(await carrier()).toBe('1')
    expect((await ping(owned.lab, pairs, { count: 5 })).map((one) => one.lossRatio)).toEqual([0, 0, 0])
  })
})

describeLab('an MTU black hole', () => {
  beforeEach(() => create(LAB))

  it.each(['tx', 'rx'])(
    'in %s drops only larger packets, with and without segmentation offload',
    async (direction) => {
      await fault(`mtu:node-2:net1:${direction}:1400`)
      // A ping reply is as long as its request, so a black hole in either direction drops it.
      expect(await pingPasses(pair(1, 2), 1400)).toBe(true)
      expect(await pingPasses(pair(1, 2), 1401)).toBe(false)
      expect(await pingPasses(pair(1, 3), 1500)).toBe(true)
      const through = direction === 'tx' ? pair(2, 1) : pair(1, 2)
      const against = direction === 'tx' ? pair(1, 2) : pair(2, 1)
      await expectRates([[through, HEALTHY]], '-t', '1', '-M', '1300')
      await expectRates(
        [
          [through, NOTHING],
          [against, HEALTHY],
        ],
        '-t',
        '1',
      )
    },
  )
})

describeLab('several faults', () => {
  beforeEach(() => create(LAB))

  it('are all active, are reported, and are healed individually', async () => {
    await fault('rate:node-3:net1:tx:20mbit')
    await fault('mtu:node-3:net1:rx:1400')
    await fault('cut:node-3:net0:both')
    await expectRates([[pair(3, 1), near(20e6)]], ...RAMPED)
    expect(await pingPasses(pair(3, 1), 1500)).toBe(false)
    await expect(healFault('loss:node-3:net1:tx')).rejects.toThrow(
      'there is no loss on node-3 net1 tx; set: rate:node-3',
    )
    await healFault('mtu:node-3:net1:rx')
    expect(await pingPasses(pair(3, 1), 1500)).toBe(true)
    const report = (await labStatus(labDeps)).find(({ index }) => index === owned.lab.index)
    expect(report?.lab?.faults.map(({ kind }) => kind)).toEqual(['rate', 'cut', 'cut'])
    await healFault()
    expect((await openLab(labDeps, owned.lab.index)).faults).toEqual([])
    expect(await pingPasses(pair(3, 1, 'net0'), 1500)).toBe(true)
  })
})
