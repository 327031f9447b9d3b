import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import {
  connectionTo,
  hasNotRunSince,
  isStopped,
  parseSockets,
  runCountOf,
  waitingClients,
} from './program-state.ts'

const cleanUps: (() => void)[] = []
afterEach(() => {
  for (const cleanUp of cleanUps.splice(0)) cleanUp()
})

/** A program that runs until the end of the test; `ready` is what its script calls when it is. */
const program = async (script: string): Promise<number> => {
  const begin = `const ready = () => console.log('ready'); const net = require('net'); setInterval(() => 0, 100)`
  const child = spawn(process.execPath, ['-e', `${begin}\n${script}`])
  cleanUps.push(() => child.kill('SIGKILL'))
  await once(child.stdout, 'data')
  return child.pid!
}
const serverOn = async (onSocket?: (socket: Socket) => void): Promise<number> => {
  const server = createServer((socket) => {
    cleanUps.push(() => socket.destroy())
    onSocket?.(socket)
  })
  cleanUps.push(() => server.close())
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  return typeof address === 'object' && address ? address.port : 0
}

test('tells a program without a connection from one whose peer has acknowledged all', async () => {
  const port = await serverOn()
  const idle = await program('ready()')
  expect(connectionTo(idle, port)).toBe('none')
  const connected = await program(`net.connect(${port}, '127.0.0.1', ready).write('x')`)
  await expect.poll(() => connectionTo(connected, port)).toBe('acknowledged')
  expect(connectionTo(connected, port + 1)).toBe('none')
})

test('a connection to a peer that reads nothing is unacknowledged in part', async () => {
  const port = await serverOn((socket) => socket.pause())
  const pid = await program(
    `const socket = net.connect(${port}, '127.0.0.1', ready); socket.write(Buffer.alloc(64 * 1024 * 1024))`,
  )
  await expect.poll(() => connectionTo(pid, port)).toBe('unacknowledged')
})

test('counts the clients that a server has not accepted', async () => {
  const port = await serverOn()
  const pid = await program(`net.createServer().listen(${port}, '127.0.0.2', ready)`)
  process.kill(pid, 'SIGSTOP')
  expect(waitingClients(pid, port)).toBe(0)
  const client = connect({ host: '127.0.0.2', port })
  cleanUps.push(() => client.destroy())
  await once(client, 'connect')
  expect(waitingClients(pid, port)).toBe(1)
})

test('detects a stopped program, and one that does not run', async () => {
  const pid = await program('ready()')
  expect(isStopped(pid)).toBe(false)
  const count = runCountOf(pid)
  expect(count).toBeGreaterThan(0)
  process.kill(pid, 'SIGSTOP')
  await expect.poll(() => isStopped(pid)).toBe(true)
  const stopped = runCountOf(pid)
  expect([hasNotRunSince(pid, stopped), hasNotRunSince(pid, 0), hasNotRunSince(pid, undefined)]).toEqual([
    true,
    false,
    false,
  ])
})

test('a process that has ended is unknown', () => {
  expect([
    connectionTo(2 ** 22, 1),
    waitingClients(2 ** 22, 1),
    isStopped(2 ** 22),
    runCountOf(2 ** 22),
  ]).toEqual(['unknown', 0, false, undefined])
})

test('parses both families, and ignores other lines', () => {
  const text = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:14B5 00000000:0000 0A 00000000:00000002 00:00000000 00000000  1000        0 4242 1 0 100 0 0 10 0
   1: 0000000000000000FFFF00000100007F:A2C4 0000000000000000FFFF00000100007F:14B5 01 0000000A:00000000 00:00000000 00000000 0 0 77 1
rubbish`
  expect(Object.fromEntries(parseSockets(text))).toEqual({
    4242: { state: '0A', localPort: 5301, remotePort: 0, sendQueue: 0, receiveQueue: 2 },
    77: { state: '01', localPort: 41668, remotePort: 5301, sendQueue: 10, receiveQueue: 0 },
  })
})

test('a program that waits for processor time does not hang', () => {
  const files = (state: string) => (path: string) =>
    path.endsWith('/stat')
      ? `7 (f) ping) ${state} 1 7`
      : 'voluntary_ctxt_switches:\t3\nnonvoluntary_ctxt_switches:\t2\n'
  expect([
    hasNotRunSince(7, 5, files('S')),
    hasNotRunSince(7, 5, files('R')),
    hasNotRunSince(7, 4, files('S')),
  ]).toEqual([true, false, false])
})
