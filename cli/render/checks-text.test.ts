import { expect, test } from 'vitest'
import { CheckStatus } from '#proto/meshgauge/agent/v1/check.ts'
import { RunChecksResponse } from '#proto/meshgauge/collector/v1/fleet.ts'
import { checkReasons } from './checks-text.ts'

const response = (node: string, check: string, status: CheckStatus, ...reasons: string[]) =>
  RunChecksResponse.fromPartial({ node, result: { check, status, reasons } })
const plain = (_style: unknown, text: string) => text

test('the most urgent results are first, and nodes with the same reasons share a line', () => {
  const nodes = ['n1', 'n2', 'n10', 'n3']
  const lines = checkReasons(
    [
      ...nodes.map((node) =>
        response(node, 'dcgm', CheckStatus.CHECK_STATUS_SKIPPED, 'no driver', 'no dcgmi'),
      ),
      response('n2', 'interfaces', CheckStatus.CHECK_STATUS_WARN, 'net0: rx_dropped grew by 3 in 1 s'),
      response('n10', 'interfaces', CheckStatus.CHECK_STATUS_FAIL, 'net1: is down'),
      response('n2', 'interfaces', CheckStatus.CHECK_STATUS_FAIL, 'net1: is down'),
      response('n1', 'interfaces', CheckStatus.CHECK_STATUS_PASS),
    ],
    plain,
  )
  expect(lines).toEqual([
    '✘ n2, n10 interfaces: net1: is down',
    '! n2 interfaces: net0: rx_dropped grew by 3 in 1 s',
    '- all 4 nodes dcgm: no driver; no dcgmi',
  ])
})
