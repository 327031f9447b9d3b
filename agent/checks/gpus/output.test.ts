import { describe, expect, test } from 'vitest'
import { recording } from '../testing/machine.ts'
import { absenceOf, isAbsent, isBroken, numberIn, parseTable, unknownField } from './output.ts'

describe('tables of nvidia-smi', () => {
  test('parses rows by field', () => {
    const { rows } = parseTable(recording('a100-8/nvidia-smi.slowdown'), ['index', 'slow', 'hot', 'brake'])
    expect(rows).toHaveLength(8)
    expect(rows[2]).toEqual({ index: '2', slow: 'Active', hot: 'Active', brake: 'Not Active' })
  })

  test('an incomplete line is no row', () => {
    const table = parseTable('0, Not Active\n1, Not Act', ['index', 'a', 'b'])
    expect(table).toMatchObject({ rows: [], unknown: ['0, Not Active', '1, Not Act'] })
  })

  test.each([
    ['nvidia-smi/lost.txt', '0000:CB:00.0'],
    ['nvidia-smi/lost-610.txt', '0000:34:00.0'],
  ])('finds the GPU in %s', (path, bus) => {
    expect(parseTable(recording(path), ['index']).lost).toEqual([
      { bus, text: expect.stringMatching(/Unknown Error$/) },
    ])
  })

  test('finds an unsupported field', () => {
    expect(unknownField(recording('nvidia-smi/unknown-field.txt'))).toBe('no.such.field')
    expect(unknownField('Field "mig.mode.current" is not a valid field to query.\n\n')).toBe(
      'mig.mode.current',
    )
  })

  test.each([
    ['nvidia-smi/no-driver.txt', 'no-driver'],
    ['nvidia-smi/no-devices.txt', 'no-gpu'],
    ['nvidia-smi/no-such-gpu.txt', 'no-gpu'],
    ['h200-1/nvidia-smi.gpus', undefined],
    ['nvidia-smi/mismatch.txt', 'driver-mismatch'],
    ['nvidia-smi/no-permission.txt', 'no-permission'],
    ['h100-8/nvidia-smi.gpus', undefined],
  ])('%s', (path, absence) => {
    expect(absenceOf(recording(path))).toBe(absence)
  })

  test('classifies cells', () => {
    expect(['[N/A]', 'N/A', '[Not Supported]', ''].map(isAbsent)).toEqual([true, true, true, true])
    expect(['[Unknown Error]', '[GPU requires reset]', '[GPU is lost]', 'ERR!'].every(isBroken)).toBe(true)
    expect(['No', 'Not Active', '0'].some((cell) => isAbsent(cell) || isBroken(cell))).toBe(false)
    expect(
      ['512 MiB', '37 %', '3', '[N/A]', undefined].map((cell) => numberIn('nvidia.memory', cell)),
    ).toEqual([512, 37, 3, undefined, undefined])
  })
})
