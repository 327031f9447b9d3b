import { expect, test } from 'vitest'
import { resultOf } from './process-result.ts'

test.each([
  [
    'iperf3: error - unable to bind: Permission denied\niperf3: exiting',
    'iperf3: error - unable to bind: Permission denied',
  ],
  ['cannot open shared object file\n\niperf3: exiting\n', 'cannot open shared object file'],
  ['one\ntwo', 'two'],
])('the reason is the last line that states one: %j', (stderrTail, line) => {
  const ended = { exitCode: 1, signal: undefined, code: undefined }
  const { reason } = resultOf({
    file: 'iperf3',
    cause: undefined,
    ended,
    deadlineSeconds: 1,
    floodReason: '',
    stderrTail,
  })
  expect(reason).toBe(`iperf3 ended with exit code 1: ${line}`)
})
