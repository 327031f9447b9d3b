import { describe, expect, it } from 'vitest'
import {
  FAULT_FORMS,
  type Fault,
  formatFault,
  parseFault,
  parseFaultPlace,
  parseFaults,
  withFault,
  withoutFault,
} from './faults.ts'
import { LabError } from './lab-error.ts'
import { labNodes, labShape } from './topology.ts'

const target = { nodes: labNodes(0, labShape({ nodes: 6, racks: 2 })), rateBitsPerSecond: 1e9 }

const problemsOf = (...texts: string[]): readonly string[] => {
  try {
    parseFaults(texts, target)
  } catch (error) {
    if (error instanceof LabError) return error.problems
    throw error
  }
  return []
}

describe('the text of a fault', () => {
  it('is parsed', () => {
    const place = { node: 'node-3', interface: 'net1', direction: 'tx' }
    expect(parseFault('rate:node-3:net1:tx:50mbit', target)).toEqual({ ...place, kind: 'rate', value: 50e6 })
    expect(parseFault('loss:node-3:net1:tx:0.5%', target)).toEqual({ ...place, kind: 'loss', value: 0.005 })
    expect(parseFault('cut:node-3:net1:tx', target)).toEqual({ ...place, kind: 'cut' })
    expect(parseFault('mtu:node-3:net1:tx:1400', target)).toEqual({ ...place, kind: 'mtu', value: 1400 })
  })

  it.each([...FAULT_FORMS, 'loss:node-1:net0:both:0.01%'])(
    '%s is the same after formatting and parsing',
    (text) => {
      const fault = parseFault(text, target)
      expect(parseFault(formatFault(fault), target)).toEqual(fault)
    },
  )

  it('needs no value where only the place counts', () => {
    const place = { kind: 'rate', node: 'node-3', interface: 'net1', direction: 'tx' }
    expect(parseFaultPlace('rate:node-3:net1:tx', target)).toEqual(place)
    expect(parseFaultPlace('rate:node-3:net1:tx:50mbit', target)).toEqual(place)
  })

  it.each([
    ['', ': not KIND:NODE:INTERFACE:DIRECTION[:VALUE], such as rate:node-3:net1:tx:50mbit'],
    [
      'rate:node-3',
      'rate:node-3: not KIND:NODE:INTERFACE:DIRECTION[:VALUE], such as rate:node-3:net1:tx:50mbit',
    ],
    ['slow:node-3:net1:tx:1', 'slow:node-3:net1:tx:1: "slow" is not a fault; there are rate, loss, cut, mtu'],
    ['cut:node-7:net1:tx', 'cut:node-7:net1:tx: there is no node "node-7"; there are node-1 to node-6'],
    ['cut:node-1:eth0:tx', 'cut:node-1:eth0:tx: there is no interface "eth0"; there are net0, net1'],
    [
      'cut:node-1/node-9:net0:tx',
      'cut:node-1/node-9:net0:tx: there is no node "node-9"; there are node-1 to node-6',
    ],
    ['cut:node-1/node-1:net0:tx', 'cut:node-1/node-1:net0:tx: "node-1/node-1" names the same node twice'],
    ['cut:rack-3:net0:tx', 'cut:rack-3:net0:tx: there is no node "rack-3"; there are node-1 to node-6'],
    ['rate:rack-2:net0:tx:1M', 'rate:rack-2:net0:tx:1M: an uplink can only have cut or loss'],
    [
      'mtu:node-1/node-2:net0:tx:1400',
      'mtu:node-1/node-2:net0:tx:1400: a path between two nodes can only have cut or loss',
    ],
    [
      'cut:node-1:net0:out',
      'cut:node-1:net0:out: "out" is not a direction; there are tx, rx (as the node sees it) and both',
    ],
    ['cut:node-1:net0:tx:1', 'cut:node-1:net0:tx:1: a cut has no value; leave out "1"'],
    ['rate:node-1:net0:tx', 'rate:node-1:net0:tx: a rate needs a value, as in rate:node-3:net1:tx:50mbit'],
    ['rate:node-1:net0:tx:fast', 'rate:node-1:net0:tx:fast: "fast" is not a bitrate; write 50mbit'],
    [
      'rate:node-1:net0:tx:1',
      'rate:node-1:net0:tx:1: 1 is below 8 kbit/s, the lowest rate that the lab can shape; for a link that carries nothing use cut',
    ],
    ['rate:node-1:net0:tx:1G', 'rate:node-1:net0:tx:1G: 1G limits nothing: every interface has 1.00 Gbit/s'],
    ['loss:node-1:net0:tx:0.1', 'loss:node-1:net0:tx:0.1: "0.1" is not a loss; write 10%'],
    ['loss:node-1:net0:tx:101%', 'loss:node-1:net0:tx:101%: 101% is more than 100%'],
    [
      'loss:node-1:net0:tx:0%',
      'loss:node-1:net0:tx:0%: 0% is less than one packet in a million, the lowest loss that the lab can set',
    ],
    ['mtu:node-1:net0:tx:1e3', 'mtu:node-1:net0:tx:1e3: "1e3" is not a number of bytes; write 1400'],
    ['mtu:node-1:net0:tx:40', 'mtu:node-1:net0:tx:40: 40 is below 68, the smallest MTU that IPv4 allows'],
    ['mtu:node-1:net0:tx:1500', "mtu:node-1:net0:tx:1500: 1500 drops nothing: the interfaces' MTU is 1500"],
  ])('%s is refused with its reason', (text, problem) => {
    expect(problemsOf(text)).toEqual([problem])
  })

  it('is refused with all problems of all texts', () => {
    expect(problemsOf('slow:node-9:eth9:up:1', 'cut:node-1:net0:tx', 'loss:node-8:net0:tx:2')).toHaveLength(6)
  })
})

describe('a set of faults', () => {
  const fault = (text: string): Fault => parseFault(text, target)
  const texts = (faults: readonly Fault[]): string[] => faults.map(formatFault)

  it('stores each direction separately, so that one can be healed', () => {
    const set = withFault([], fault('loss:node-2:net0:both:10%'))
    expect(texts(set)).toEqual(['loss:node-2:net0:tx:10%', 'loss:node-2:net0:rx:10%'])
    expect(texts(withoutFault(set, fault('loss:node-2:net0:tx:10%')))).toEqual(['loss:node-2:net0:rx:10%'])
  })

  it('has at most one fault of a kind at a place: the last one set', () => {
    const set = ['loss:node-2:net0:both:10%', 'rate:node-2:net0:tx:1M', 'loss:node-2:net0:tx:5%']
      .map(fault)
      .reduce<Fault[]>(withFault, [])
    expect(texts(set)).toEqual([
      'loss:node-2:net0:rx:10%',
      'rate:node-2:net0:tx:1000000bit',
      'loss:node-2:net0:tx:5%',
    ])
  })
})
