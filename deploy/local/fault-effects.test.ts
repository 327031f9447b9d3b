import { describe, expect, it } from 'vitest'
import { deviceChanges, filterRules } from './fault-effects.ts'
import { type Fault, parseFault, withFault } from './faults.ts'
import { labNodes, labShape } from './topology.ts'

const nodes = labNodes(0, labShape({ nodes: 4 }))
const set = (...texts: string[]): Fault[] =>
  texts.map((text) => parseFault(text, { nodes, rateBitsPerSecond: 1e9 })).reduce<Fault[]>(withFault, [])
const changes = (before: Fault[], after: Fault[]) => deviceChanges(nodes, 'mg0-switch', 1e9, before, after)

describe('deviceChanges', () => {
  it('returns nothing when the faults stay the same', () => {
    const faults = set('rate:node-3:net1:tx:50mbit', 'mtu:node-2:net0:both:1400', 'cut:node-1:net0:both')
    expect(changes(faults, faults)).toEqual([])
  })

  it("shapes the node's interface for tx and the switch's port for rx", () => {
    const [tx, ...noMore] = changes([], set('rate:node-3:net1:tx:50mbit'))
    expect(noMore).toEqual([])
    expect(tx?.namespace).toBe('mg0-node-3')
    expect(tx?.tc.join('\n')).toContain('dev net1 parent 1: classid 1:20 htb rate 50000000bit')
    const [rx] = changes([], set('rate:node-3:net1:rx:50mbit'))
    expect(rx?.namespace).toBe('mg0-switch')
    expect(rx?.tc.join('\n')).toContain('dev n3.net1 parent 1: classid 1:20 htb rate 50000000bit')
  })

  it('takes the link down only when both directions are cut', () => {
    const one = set('cut:node-3:net1:tx')
    expect(changes([], one)).toEqual([])
    const both = set('cut:node-3:net1:tx', 'cut:node-3:net1:rx')
    expect(changes(one, both)).toEqual([{ namespace: 'mg0-switch', ip: ['link set n3.net1 down'], tc: [] }])
    expect(changes(both, [])).toEqual([{ namespace: 'mg0-switch', ip: ['link set n3.net1 up'], tc: [] }])
  })

  it('returns nothing for a loss, which is only an nftables rule', () => {
    const faults = set('loss:node-2:net0:rx:10%')
    expect(changes([], faults)).toEqual([])
    expect(filterRules(faults, nodes)).toContain('oifname "n2.net0" numgen random mod 1000000 < 100000 drop')
  })
})

describe('filterRules', () => {
  it('replaces the previous rules, also when there are no faults', () => {
    expect(filterRules([], nodes)).toBe('table bridge meshgauge\ndelete table bridge meshgauge\n')
  })

  it('drops cut packets before the exemption of address resolution, and lost packets after it', () => {
    const rules = filterRules(
      set(
        'loss:node-2:net0:tx:10%',
        'mtu:node-2:net1:tx:1400',
        'cut:node-4:net1:rx',
        'mtu:node-1:net0:rx:1400',
      ),
      nodes,
    )
    expect(rules.split('\n').slice(5, -3)).toEqual([
      '    oifname "n4.net1" drop',
      '    iifname "n2.net1" meta length > 1400 drop',
      '    ether type arp accept',
      '    icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept',
      '    iifname "n2.net0" numgen random mod 1000000 < 100000 drop',
    ])
  })

  it('drops every packet at a loss of 100 %, without the generator', () => {
    expect(filterRules(set('loss:node-2:net0:rx:100%'), nodes)).toContain('    oifname "n2.net0" drop')
  })

  it('matches both ends of a path by their addresses and leaves the interface up', () => {
    const faults = set('cut:node-1/node-2:net0:both', 'loss:node-1/node-3:net1:tx:10%')
    expect(changes([], faults)).toEqual([])
    expect(filterRules(faults, nodes).split('\n').slice(5, -3)).toEqual([
      '    iifname "n1.net0" ip daddr 198.18.0.2 drop',
      '    iifname "n1.net0" ip6 daddr fd00:198:18:0::2 drop',
      '    oifname "n1.net0" ip saddr 198.18.0.2 drop',
      '    oifname "n1.net0" ip6 saddr fd00:198:18:0::2 drop',
      '    ether type arp accept',
      '    icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept',
      '    iifname "n1.net1" ip daddr 198.18.4.3 numgen random mod 1000000 < 100000 drop',
      '    iifname "n1.net1" ip6 daddr fd00:198:18:1::3 numgen random mod 1000000 < 100000 drop',
    ])
  })

  it('cuts an uplink in the direction as the rack sees it', () => {
    const racked = labNodes(0, labShape({ nodes: 4, racks: 2 }))
    const target = { nodes: racked, rateBitsPerSecond: 1e9 }
    const faults = withFault([], parseFault('cut:rack-2:net1:tx', target))
    expect(deviceChanges(racked, 'mg0-switch', 1e9, [], faults)).toEqual([])
    expect(filterRules(faults, racked)).toContain('    oifname "r2.net1.up" drop')
  })
})
