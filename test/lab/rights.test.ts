import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import { expect, it } from 'vitest'
import { describeLab } from './machine.ts'

const script = fileURLToPath(import.meta.resolve('./fixtures/foreign-lab.ts'))
const NOBODY = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups']
/** As a container's root is left: with nothing that reaches the network, but able to map its own user. */
const CONTAINED = ['setpriv', '--bounding-set=-all,+setfcap', '--inh-caps=-all']

const run = async (...prefix: string[]): Promise<unknown> => {
  const [program = '', ...args] = [...prefix, process.execPath, script]
  return JSON.parse((await execa(program, args, { timeout: 60_000 })).stdout)
}
/** The kernel's own say: none of our code. */
const refused = async (...command: string[]): Promise<string | undefined> => {
  const [program = '', ...args] = command
  const result = await execa(program, args, { reject: false })
  return result.failed ? result.stderr || result.shortMessage : undefined
}
const noUserNamespaces = await refused(...NOBODY, 'unshare', '--user', '--map-root-user', '--net', 'true')
const unreadable = await refused(...NOBODY, process.execPath, '--check', script)
const figures = { pairs: 12, lost: 0, lostWhenCut: 4 }

describeLab('without the rights of root', () => {
  it('a lab is made, broken and taken down in a user namespace', async ({ skip }) => {
    skip(noUserNamespaces !== undefined, `user namespaces are refused here: ${noUserNamespaces}`)
    skip(unreadable !== undefined, `another user cannot read this checkout: ${unreadable}`)
    expect(await run(...NOBODY)).toEqual(figures)
  })

  it('the root of a container does as anyone does', async ({ skip }) => {
    skip(noUserNamespaces !== undefined, `user namespaces are refused here: ${noUserNamespaces}`)
    expect(await run(...CONTAINED)).toEqual(figures)
  })

  it('all reasons are told where there is no way at all', async ({ skip }) => {
    skip(noUserNamespaces !== undefined, `user namespaces are refused here: ${noUserNamespaces}`)
    const forbid = 'echo 0 >/proc/sys/user/max_user_namespaces && exec "$@"'
    const prefix = ['unshare', '--user', '--map-root-user', 'sh', '-c', forbid, 'sh', ...CONTAINED]
    expect(await run(...prefix)).toEqual({
      reasons: [
        expect.stringMatching(
          /^as root: a network namespace cannot be made \(unshare: .*Operation not permitted\)$/,
        ),
        expect.stringMatching(
          /^in a user namespace: a network namespace cannot be made \(unshare: .*No space left/,
        ),
      ],
    })
  })
})
