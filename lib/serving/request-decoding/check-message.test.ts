import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { RunCheckRequest } from '#proto/meshgauge/agent/v1/check.ts'
import { MeshAcknowledgement } from '#proto/meshgauge/agent/v1/ping.ts'
import { CreateRunRequest } from '#proto/meshgauge/collector/v1/run.ts'
import { checkMessage } from './check-message.ts'
import { readMessageTypes } from './message-types.ts'

const types = readMessageTypes(readFileSync(new URL('../../../proto/gen/descriptor.binpb', import.meta.url)))
const PACKAGE = 'meshgauge.collector.v1'

/** `depth` lists in one another, as a google.protobuf.Value. */
const nestedList = (depth: number): unknown => {
  let value: unknown = 1
  for (let level = 0; level < depth; level++) value = [value]
  return value
}

test('the descriptors name the request of every RPC', () => {
  expect(types.requests.get(`/${PACKAGE}.RunService/CreateRun`)).toBe(`${PACKAGE}.CreateRunRequest`)
  expect(types.requests.get('/grpc.health.v1.Health/Check')).toBe('grpc.health.v1.HealthCheckRequest')
  expect(types.requests.size).toBeGreaterThan(50)
})

describe('checkMessage', () => {
  test('accepts valid messages', () => {
    const request = CreateRunRequest.fromPartial({
      spec: {
        label: 'größer',
        test: {
          $case: 'iperf',
          value: { options: { bytes: Number.MAX_SAFE_INTEGER, duration: { seconds: -1, nanos: -5 } } },
        },
        expectations: [{ name: 'throughput_min', limit: 9e9 }],
      },
    })
    expect(
      checkMessage(types, `${PACKAGE}.CreateRunRequest`, CreateRunRequest.encode(request).finish()),
    ).toEqual([])
    const acknowledgement = MeshAcknowledgement.fromPartial({ sequence: Number.MAX_SAFE_INTEGER })
    const bytes = MeshAcknowledgement.encode(acknowledgement).finish()
    expect(checkMessage(types, 'meshgauge.agent.v1.MeshAcknowledgement', bytes)).toEqual([])
  })

  test('lists all problems with their paths', () => {
    const request = CreateRunRequest.fromPartial({
      spec: {
        expectations: [{ limit: 1 }, { limit: Number.NaN }, { limit: Number.POSITIVE_INFINITY }],
        hostSampling: { interval: { seconds: 1, nanos: -1 } },
      },
    })
    expect(
      checkMessage(types, `${PACKAGE}.CreateRunRequest`, CreateRunRequest.encode(request).finish()),
    ).toEqual([
      { field: 'spec.expectations[1].limit', description: 'is not a finite number' },
      { field: 'spec.expectations[2].limit', description: 'is not a finite number' },
      { field: 'spec.host_sampling.interval', description: 'has seconds and nanos of different signs' },
    ])
  })

  test('finds problems in the values of a Struct', () => {
    const request = RunCheckRequest.fromPartial({ parameters: { limit: Number.NaN } })
    const bytes = RunCheckRequest.encode(request).finish()
    expect(checkMessage(types, 'meshgauge.agent.v1.RunCheckRequest', bytes)).toEqual([
      { field: 'parameters.fields[0].value.number_value', description: 'is not a finite number' },
    ])
  })

  test('limits the depth of nested messages', () => {
    const check = (depth: number) => {
      const request = RunCheckRequest.fromPartial({ parameters: { list: nestedList(depth) } })
      return checkMessage(
        types,
        'meshgauge.agent.v1.RunCheckRequest',
        RunCheckRequest.encode(request).finish(),
      )
    }
    expect(check(40)).toEqual([])
    expect(check(60)).toMatchObject([{ description: 'is nested more than 100 levels deep' }])
  })

  test('lists at most 100 problems', () => {
    const expectations = Array.from({ length: 1000 }, () => ({ limit: Number.NaN }))
    const request = CreateRunRequest.fromPartial({ spec: { expectations } })
    const bytes = CreateRunRequest.encode(request).finish()
    expect(checkMessage(types, `${PACKAGE}.CreateRunRequest`, bytes)).toHaveLength(100)
  })
})
