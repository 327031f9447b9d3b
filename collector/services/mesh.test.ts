import { expect, test } from 'vitest'
import { type GetMeshMatrixRequest, GetMeshMatrixResponse } from '#proto/meshgauge/collector/v1/mesh.ts'
import { Measure } from '#proto/meshgauge/collector/v1/result.ts'
import { systemClock } from '../../lib/clock.ts'
import { OperatingError } from '../../lib/errors.ts'
import type { Window } from '../store/windows.ts'
import { createMeshService } from './mesh.ts'

/** The matrix of a mesh of n1 and n2 on some interfaces. On those in `measured`, one of four probes was lost. */
const matrixOf = async (
  interfaces: readonly string[],
  measured: readonly string[],
  request: Partial<GetMeshMatrixRequest> = {},
) => {
  const keys = interfaces.flatMap((name) => [
    { source: 'n1', destination: 'n2', interface: name },
    { source: 'n2', destination: 'n1', interface: name },
  ])
  const paths = new Map(keys.map((key, index) => [index + 1, key]))
  const windows = [...paths].flatMap(([path, key]): [number, Window][] => {
    if (!measured.includes(key.interface)) return []
    const times = {
      startMs: 0,
      endMs: 1,
      rttMinSeconds: 0,
      rttMaxSeconds: 0,
      rttSumSeconds: 0,
      jitterSeconds: 0,
    }
    return [
      [path, { path, ...times, sentCount: 4, receivedCount: 3, histogramOffset: 0, histogramCounts: [3] }],
    ]
  })
  const service = createMeshService({
    clock: systemClock,
    meshes: {
      paths: () => keys.map((source) => ({ path: { source } }) as never),
      get: () => expect.fail(),
      pathMessage: () => expect.fail(),
      watch: () => expect.fail(),
    },
    store: {
      paths: () => paths,
      aggregate: async () => new Map(windows),
      history: () => expect.fail(),
      meshEvents: () => expect.fail(),
    },
  })
  const defaults = {
    interface: '',
    measure: Measure.MEASURE_UNSPECIFIED,
    startTime: undefined,
    endTime: undefined,
  }
  const context = { signal: new AbortController().signal }
  return GetMeshMatrixResponse.fromPartial(
    await service.getMeshMatrix({ ...defaults, ...request }, context as never),
  )
}

const descriptionOf = async (rejection: Promise<unknown>): Promise<string | undefined> => {
  const error = await rejection.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  return error instanceof OperatingError ? `${error.reason} ${error.message}` : undefined
}

test('GetMeshMatrix returns the loss of each pair', async () => {
  const { interface: name, sources, destinations, rows } = await matrixOf(['net0'], ['net0'])
  expect([name, sources, destinations]).toEqual(['net0', ['n1', 'n2'], ['n1', 'n2']])
  expect(rows.map(({ cells }) => cells.map(({ value }) => value))).toEqual([
    [undefined, 0.25],
    [0.25, undefined],
  ])
})

const EMPTY = { measure: Measure.MEASURE_LOSS_RATIO, sources: [], destinations: [], rows: [] }

test.each([
  ['the only interface', ['net0'], [], '', 'net0'],
  ['several interfaces, none named', ['net0', 'net1'], [], '', ''],
  ['no path yet', [], [], '', ''],
  ['a named interface without paths', [], [], 'net1', 'net1'],
  ['a named interface', ['net0', 'net1'], [], 'net1', 'net1'],
  ['a named interface, measurements on another one', ['net0', 'net1'], ['net0'], 'net1', 'net1'],
])('without measurements in the range the matrix is empty: %s', async (_, known, measured, named, shown) => {
  expect(await matrixOf(known, measured, { interface: named })).toEqual({ interface: shown, ...EMPTY })
})

test('an interface that is in no mesh is rejected, and so is none when there are several', async () => {
  expect(await descriptionOf(matrixOf(['net0'], ['net0'], { interface: 'net7' }))).toMatch(
    /^SPEC_INVALID .*interface: no mesh has ever probed on "net7"; there are net0$/,
  )
  expect(await descriptionOf(matrixOf(['net0', 'net1'], ['net0', 'net1']))).toMatch(
    /^SPEC_INVALID .*interface: must name one interface; there are net0, net1$/,
  )
})
