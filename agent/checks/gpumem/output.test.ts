import { describe, expect, test } from 'vitest'
import { recording } from '../testing/machine.ts'
import { parseGpucheck } from './output.ts'

describe('gpucheck', () => {
  test('parses good GPUs', () => {
    const { gpus, faulty } = parseGpucheck(recording('a100-8/gpucheck.txt'))
    expect(faulty).toEqual([])
    expect(gpus).toHaveLength(8)
    expect(gpus[3]).toEqual({
      index: '3',
      hostToDevice: 24.6,
      daxpy: 1564.2,
      dgemm: 18.6,
      celsius: 41,
      watts: 215,
      smMegahertz: 1410,
    })
  })

  test.each([
    ['gpucheck/one-bad.txt', ['4']],
    // It writes the second number directly after the first one, without a newline.
    ['gpucheck/two-bad.txt', ['1', '7']],
    ['gpucheck/edge.txt', ['0']],
    // Interrupted before the summary: no result.
    ['gpucheck/cut.txt', undefined],
  ])('%s', (path, faulty) => {
    expect(parseGpucheck(recording(path)).faulty).toEqual(faulty)
  })

  test('parses an H200, with and without a summary', () => {
    const figures = { index: '0', hostToDevice: 54.09, daxpy: 3647.18, dgemm: 55.57, celsius: 63 }
    const report = parseGpucheck(recording('gpucheck/without-summary.txt'))
    expect(report).toMatchObject({ gpus: [figures], faulty: undefined, isWithoutSummary: true })
    expect(parseGpucheck(recording('h200-1/gpucheck.txt'))).toMatchObject({
      gpus: [{ index: '0', smMegahertz: expect.any(Number) }],
      faulty: [],
      isWithoutSummary: false,
    })
  })

  test('an incomplete summary, or NONE in another place, is not a result', () => {
    expect(parseGpucheck('Summary of GPU errors:').faulty).toBeUndefined()
    expect(parseGpucheck('NONE of the GPUs can be used\n').faulty).toBeUndefined()
  })
})
