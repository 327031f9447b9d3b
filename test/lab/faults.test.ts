import { execa } from 'execa'
import { afterEach, beforeEach, expect, it } from 'vitest'
import {
  createLab,
  type OwnedLab,
  heal,
  type LabOptions,
  labStatus,
  openLab,
  parseFault,
  parseFaultPlace,
  setFault,
} from '../../deploy/local/lab.ts'
import { deps, describeLab } from './machine.ts'
import {
  addressOf,
  binomialMargin,
  iperf,
  type LabPair,
  lostRequests,
  meshPairs,
  onNode,
  ping,
} from './measure.ts'

/** Slow enough for a busy machine to keep eight pairs even. */
const RATE = 100e6
const LAB: LabOptions = { nodes: 4, rateBitsPerSecond: RATE }

let held: OwnedLab
const make = async (options: LabOptions) => {
  held = await createLab(deps, options)
}
const pair = (source: number, destination: number, network = 'net1'): LabPair => ({
  source: `node-${source}`,
  destination: `node-${destination}`,
  network,
})
const fault = (text: string) => setFault(deps, held.lab, parseFault(text, held.lab))
const healed = (text?: string) => heal(deps, held.lab, text ? parseFaultPlace(text, held.lab) : undefined)
/** Bits per second. */
type Bounds = { least: number; most: number }
/** What a fault's value is held to. */
const near = (wanted: number): Bounds => ({ least: wanted * 0.9, most: wanted * 1.1 })
const HEALTHY: Bounds = { least: RATE * 0.85, most: RATE }
const NOTHING: Bounds = { least: 0, most: 0 }
const ATTEMPTS = 6

/**
 * What pairs carry, all at the same time, is within their bounds, that of several taken together. What else runs on the
 * machine can starve them, or hold up what was sent before iperf3 began to count: such a measurement is repeated. A
 * fault that is not there, or too much of one, is so each time.
 */
const carry = async (expected: readonly [LabPair | LabPair[], Bounds][], ...args: string[]) => {
  for (let attempt = 1; ; attempt++) {
    const pairs = expected.flatMap(([pair]) => pair)
    const figures = await iperf(held.lab, pairs, ...args)
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
const passes = async (from: LabPair, packetBytes: number): Promise<boolean> => {
  const to = addressOf(held.lab, { node: from.destination, network: from.network })
  const payload = String(packetBytes - 28)
  const args = ['ping', '-c', '3', '-i', '0.02', '-W', '1', '-M', 'do', '-s', payload, to]
  return !(await execa(...onNode(held.lab, from.source, ...args), { reject: false })).failed
}

afterEach(() => held.down())

describeLab('a lab without faults', () => {
  it('gives a lone pair the rate of its interfaces', async () => {
    await make({ nodes: 2 })
    // The one test that needs most of a core.
    await carry([[pair(1, 2), { least: 0.8e9, most: 1e9 }]], ...RAMPED)
  })

  it('gives a ring in both its directions, on both networks, the same rate everywhere', async () => {
    await make(LAB)
    const ring = [pair(1, 2), pair(2, 3), pair(3, 4), pair(4, 1)]
    const pairs = [...ring, ...ring.map((one) => ({ ...one, network: 'net0' }))]
    await carry(
      pairs.map((one) => [one, HEALTHY]),
      ...RAMPED,
    )
  })

  it('limits what leaves a rack to the rate of its uplink', async () => {
    await make({ nodes: 4, racks: 2, rateBitsPerSecond: RATE, uplinkBitsPerSecond: 50e6 })
    await carry(
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
  beforeEach(() => make(LAB))

  it.each([
    ['tx', pair(3, 1), pair(1, 3)],
    ['rx', pair(1, 3), pair(3, 1)],
  ])('in %s slows that direction only', async (direction, slow, fast) => {
    await fault(`rate:node-3:net1:${direction}:20mbit`)
    await carry(
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
    await carry(
      [
        [pair(3, 1), near(50e6)],
        [pair(1, 3), near(20e6)],
      ],
      ...RAMPED,
    )
    await healed('rate:node-3:net1:tx')
    await carry(
      [
        [pair(3, 1), HEALTHY],
        [pair(1, 3), near(20e6)],
      ],
      ...RAMPED,
    )
  })
})

describeLab('a loss fault', () => {
  beforeEach(() => make(LAB))
  const count = 1000

  it.each([
    ['tx', pair(2, 1, 'net0'), pair(1, 2, 'net0')],
    ['rx', pair(1, 2, 'net0'), pair(2, 1, 'net0')],
  ])('in %s loses its share of that direction and nothing else', async (direction, lossy, clean) => {
    await fault(`loss:node-2:net0:${direction}:10%`)
    const pairs = [clean, pair(3, 4, 'net0'), { ...lossy, network: 'net1' }]
    const lost = await lostRequests(held.lab, lossy, count)
    expect(Math.abs(lost / count - 0.1)).toBeLessThan(binomialMargin(0.1, count))
    for (const other of pairs) expect(await lostRequests(held.lab, other, 200)).toBe(0)
  })

  it('of both directions is seen twice in a round trip, by all its peers and by nobody else', async () => {
    await fault('loss:node-2:net0:both:10%')
    const [mesh, other] = await Promise.all([
      ping(held.lab, meshPairs(held.lab, 'net0').slice(0, 3), { count }),
      ping(held.lab, meshPairs(held.lab, 'net1').slice(0, 3), { count }),
    ])
    const expected = 1 - 0.9 * 0.9
    for (const { destination, lossRatio } of mesh) {
      if (destination !== 'node-2') expect(lossRatio).toBe(0)
      else expect(Math.abs(lossRatio - expected)).toBeLessThan(binomialMargin(expected, count))
    }
    for (const { lossRatio } of other) expect(lossRatio).toBe(0)
    await healed()
    for (const { lossRatio } of await ping(held.lab, meshPairs(held.lab, 'net0').slice(0, 3), {
      count: 200,
    })) {
      expect(lossRatio).toBe(0)
    }
  })
})

describeLab('a cut', () => {
  beforeEach(() => make(LAB))
  const carrier = async (): Promise<string> =>
    (await execa(...onNode(held.lab, 'node-4', 'cat', '/sys/class/net/net1/carrier'))).stdout

  it('of one direction stops it while the link looks well', async () => {
    // Known addresses, or else the answers to the questions for them would be missing too.
    await ping(held.lab, [pair(1, 4)])
    await fault('cut:node-4:net1:tx')
    expect(await carrier()).toBe('1')
    const port = ['-s', '-j', '-n', `mg${held.lab.index}-node-4`, 'link', 'show', 'dev', 'net1']
    const received = async (): Promise<number> => {
      const [link] = JSON.parse((await execa('ip', port)).stdout) as {
        stats64: { rx: { packets: number } }
      }[]
      return link?.stats64.rx.packets ?? 0
    }
    const before = await received()
    const [cut] = await ping(held.lab, [pair(1, 4)], { count: 20 })
    expect(cut?.lossRatio).toBe(1)
    expect(await received()).toBeGreaterThanOrEqual(before + 20)
    expect(
      (await ping(held.lab, [pair(1, 2), pair(1, 3)], { count: 20 })).map((one) => one.lossRatio),
    ).toEqual([0, 0])
  })

  it('of both takes the carrier away, and healing brings it back', async () => {
    await fault('cut:node-4:net1:both')
    expect(await carrier()).toBe('0')
    const pairs = [pair(1, 4), pair(1, 4, 'net0'), pair(1, 2)]
    expect((await ping(held.lab, pairs.slice(0, 1), { count: 5 })).map((one) => one.lossRatio)).toEqual([1])
    expect((await ping(held.lab, pairs.slice(1), { count: 5 })).map((one) => one.lossRatio)).toEqual([0, 0])
    await healed('cut:node-4:net1:both')
    expect(await carrier()).toBe('1')
    expect((await ping(held.lab, pairs, { count: 5 })).map((one) => one.lossRatio)).toEqual([0, 0, 0])
  })
})

describeLab('an MTU black hole', () => {
  beforeEach(() => make(LAB))

  it.each(['tx', 'rx'])('in %s swallows the larger packets only, offloaded or not', async (direction) => {
    await fault(`mtu:node-2:net1:${direction}:1400`)
    // A ping's answer is as long as the question: either direction stops it.
    expect(await passes(pair(1, 2), 1400)).toBe(true)
    expect(await passes(pair(1, 2), 1401)).toBe(false)
    expect(await passes(pair(1, 3), 1500)).toBe(true)
    const through = direction === 'tx' ? pair(2, 1) : pair(1, 2)
    const against = direction === 'tx' ? pair(1, 2) : pair(2, 1)
    await carry([[through, HEALTHY]], '-t', '1', '-M', '1300')
    await carry(
      [
        [through, NOTHING],
        [against, HEALTHY],
      ],
      '-t',
      '1',
    )
  })
})

describeLab('several faults', () => {
  beforeEach(() => make(LAB))

  it('add up, are told, and are healed one by one', async () => {
    await fault('rate:node-3:net1:tx:20mbit')
    await fault('mtu:node-3:net1:rx:1400')
    await fault('cut:node-3:net0:both')
    await carry([[pair(3, 1), near(20e6)]], ...RAMPED)
    expect(await passes(pair(3, 1), 1500)).toBe(false)
    await expect(healed('loss:node-3:net1:tx')).rejects.toThrow(
      'there is no loss on node-3 net1 tx; set: rate:node-3',
    )
    await healed('mtu:node-3:net1:rx')
    expect(await passes(pair(3, 1), 1500)).toBe(true)
    const report = (await labStatus(deps)).find(({ index }) => index === held.lab.index)
    expect(report?.lab?.faults.map(({ kind }) => kind)).toEqual(['rate', 'cut', 'cut'])
    await healed()
    expect((await openLab(deps, held.lab.index)).faults).toEqual([])
    expect(await passes(pair(3, 1, 'net0'), 1500)).toBe(true)
  })
})
