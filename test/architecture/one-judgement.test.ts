import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { productionFiles } from './source-files.ts'

/**
 * Code that decides whether something is healthy, marked or to blame. Only the diagnosis decides; everything else renders
 * its judgement.
 */
const RULES = [
  {
    decision: 'that the answer is healthy, bad or unclear',
    matches: /\bdecided\('(healthy|bad|unclear)'|['"`]Healthy\b/,
    may: /^collector\/diagnosis\/(judgement|run-judgement)\.ts$|^collector\/mesh\/judge\/mesh-answer\.ts$/,
  },
  {
    decision: 'who is to blame',
    matches: /\bcreateVerdict\(/,
    may: /^collector\/diagnosis\/|^collector\/mesh\/judge\//,
  },
  {
    decision: 'which pairs are marked',
    matches: /\bisMarked: true\b|PAIR_MARK_BAD\b(?!\s*$)/,
    may: /^collector\/(runs\/latest-results|store\/sqlite\/runs|dispatch\/pair-result-message)\.ts$|^cli\/render\/pair-matrix\.ts$/,
  },
  {
    decision: 'what is slow, lossy or late',
    matches: /\.fault = |\b(slowRatio|lateFactor|lossRatio): 0\.\d/,
    may: /^collector\/diagnosis\/(levels|thresholds|samples)\.ts$/,
  },
] as const

const judgingFiles = productionFiles.filter((file) => /^(collector|cli)\//.test(file))

const findersOf = (matches: RegExp) => judgingFiles.filter((file) => matches.test(readFileSync(file, 'utf8')))

describe('one judgement', () => {
  test.each(RULES)('only the diagnosis decides $decision', ({ matches, may }) => {
    const found = findersOf(matches)
    expect(found.filter((file) => !may.test(file))).toEqual([])
    expect(found.length).toBeGreaterThan(0)
  })

  test('the command line renders runs and meshes without a comparison of their values', () => {
    // These files render the answer. An exit code or a mark of their own would be a second judgement.
    const renderers = productionFiles.filter((file) =>
      /^cli\/render\/(run-|mesh-|matrix-|pair-matrix|runs-)/.test(file),
    )
    const decides = /\bEXIT\.(healthy|verdict)\b|\bgrade\w*\s*[=(]|[<>]=? *[\d.]+ \* (middle|median)/
    expect(renderers.length).toBeGreaterThan(5)
    expect(renderers.filter((file) => decides.test(readFileSync(file, 'utf8')))).toEqual([])
  })

  test.each([
    ["return decided('healthy', text)", 0],
    ["paint('green', 'Healthy.')", 0],
    ['const verdict = createVerdict({ kind })', 1],
    ['return { ...result, isMarked: true }', 2],
    ["sample.fault = 'slow'", 3],
  ])('the check finds %s', (text, rule) => {
    expect(RULES[rule]!.matches.test(text)).toBe(true)
  })
})
