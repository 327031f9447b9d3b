import { readFileSync } from 'node:fs'
import { execaSync } from 'execa'
import { expect, test } from 'vitest'
import { countEchoRequests } from './echo-requests.ts'

/** From a Debian 12 host, kernel 6.1. */
const SNMP = `Ip: Forwarding DefaultTTL InReceives
Ip: 1 64 401516
Icmp: InMsgs InErrors InCsumErrors InDestUnreachs InEchos InEchoReps OutMsgs
Icmp: 157427 0 0 14 78701 78712 157425
IcmpMsg: InType0 InType3 InType8
IcmpMsg: 78712 14 78701
`

test('adds IPv4 and IPv6', () => {
  expect(countEchoRequests(SNMP, 'Icmp6InMsgs \t3\nIcmp6InEchos                    \t7\n')).toBe(78708)
})

test('without IPv6 counts IPv4 only; without an IPv4 line there is no count', () => {
  expect(countEchoRequests(SNMP, undefined)).toBe(78701)
  expect(countEchoRequests('Ip: Forwarding\nIp: 1\n', 'Icmp6InEchos 7\n')).toBeUndefined()
  expect(countEchoRequests(undefined, undefined)).toBeUndefined()
})

test('the kernel of this host counts them', () => {
  const count = () =>
    countEchoRequests(readFileSync('/proc/net/snmp', 'utf8'), readFileSync('/proc/net/snmp6', 'utf8'))!
  const before = count()
  execaSync('fping', ['-c', '3', '-p', '20', '127.0.0.1'], { reject: false })
  expect(count() - before).toBeGreaterThanOrEqual(3)
})
