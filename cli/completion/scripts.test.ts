import { execaSync } from 'execa'
import { describe, expect, test } from 'vitest'
import { runCommand } from '../testing/run-command.ts'

const scriptOf = async (shell: string): Promise<string> => {
  const { code, out, err } = await runCommand(undefined, `completion ${shell}`)
  expect([code, err]).toEqual([0, ''])
  return out
}

const isInstalled = (shell: string): boolean =>
  execaSync(shell, ['-c', 'true'], { reject: false }).exitCode === 0

/** Runs a script in a shell. Any message on stderr is a failure. */
const runIn = (shell: string, script: string): string[] => {
  const { stdout, stderr, exitCode } = execaSync(shell, [...(shell === 'zsh' ? ['-f'] : []), '-c', script], {
    reject: false,
  })
  expect([exitCode, stderr]).toEqual([0, ''])
  return stdout.split('\n').filter((line) => line !== '')
}

/** How each shell completes the last of the words: one line for each proposal. */
const COMPLETE: Record<string, (script: string, words: readonly string[]) => string> = {
  bash: (script, words) =>
    `${script}\nCOMP_WORDS=(${words.map((word) => `'${word}'`).join(' ')}); COMP_CWORD=${words.length - 1}; _meshgauge; printf '%s\\n' "\${COMPREPLY[@]}"`,
  // The functions of zsh's completion system work only in its line editor, so these print what they would offer.
  zsh: (script, words) =>
    `compdef() { }; _files() { }; compadd() { shift; print -l -- $@ }
_describe() { [[ $1 == -o ]] && shift; print -l -- \${\${(P)2}%%:*} }
${script}
words=(${words.map((word) => `'${word}'`).join(' ')}); CURRENT=${words.length}; _meshgauge`,
  fish: (script, words) => `${script}\ncomplete -C '${words.join(' ')}' | string split -f1 \\t; true`,
}

const CASES: readonly [words: string[], expected: string[]][] = [
  [['meshgauge', 'sched'], ['schedules']],
  [
    ['meshgauge', 'runs', ''],
    ['list', 'show', 'export', 'cancel'],
  ],
  [
    ['meshgauge', '--collector', 'runs', 'lab', ''],
    ['up', 'fault', 'heal', 'status', 'down'],
  ],
  [
    ['meshgauge', 'run', '--test', ''],
    ['ping', 'iperf'],
  ],
  [['meshgauge', 'run', 'sh'], ['shifts']],
  [['meshgauge', 'runs', 'export', '--form'], ['--format']],
  [
    ['meshgauge', 'runs', 'export', '--format', ''],
    ['json', 'jsonl', 'csv', 'arcaflow', 'netperf-orchestrate'],
  ],
  [
    ['meshgauge', 'completion', ''],
    ['bash', 'zsh', 'fish'],
  ],
]

describe.each(['bash', 'zsh', 'fish'])('%s', (shell) => {
  const reason = isInstalled(shell) ? '' : ` (skipped: ${shell} is not installed)`

  test.skipIf(reason !== '')(`completes commands, options and values${reason}`, async () => {
    const script = await scriptOf(shell)
    for (const [words, expected] of CASES) {
      const proposals = runIn(shell, COMPLETE[shell]!(script, words))
      // zsh filters by the typed text itself.
      const matching = proposals.filter((each) => each.startsWith(words.at(-1)!))
      expect(matching.sort(), words.join(' ')).toEqual([...expected].sort())
    }
  })
})

test('an unknown shell is refused with a suggestion', async () => {
  const { code, err } = await runCommand(undefined, 'completion bsh')
  expect([code, err]).toEqual([
    2,
    '1 problem; nothing was done.\n  SHELL  "bsh" is not one of bash, zsh, fish; did you mean bash?\n',
  ])
})
