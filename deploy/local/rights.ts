import { execa } from 'execa'
import { systemPath } from './commands.ts'

/** Whether this process can create a lab: `now`, after reexecInUserNamespace, or not. */
export type Rights = {
  namespaces: 'now' | 'in a user namespace' | 'no'
  /** All reasons why not, each with what to do. Empty unless `no`. */
  reasons: string[]
}

type Environment = Readonly<Record<string, string | undefined>>

const USER_NAMESPACE = ['unshare', '--user', '--map-root-user']

/** One command for each kernel feature that a lab needs. Each runs in a temporary namespace. */
const PROBES: readonly { args: readonly string[]; failed: string }[] = [
  { args: ['true'], failed: 'cannot create a network namespace' },
  { args: ['ip', 'link', 'add', 'probe', 'type', 'bridge'], failed: 'the kernel cannot create a bridge' },
  { args: ['ip', 'link', 'add', 'probe', 'type', 'veth'], failed: 'the kernel cannot create a veth link' },
  {
    args: ['tc', 'qdisc', 'add', 'dev', 'lo', 'root', 'htb'],
    failed: 'the kernel lacks the htb queueing discipline',
  },
  {
    args: [
      'tc',
      'qdisc',
      'add',
      'dev',
      'lo',
      'root',
      'tbf',
      'rate',
      '1gbit',
      'burst',
      '9999',
      'limit',
      '9999',
    ],
    failed: 'the kernel lacks the tbf queueing discipline',
  },
  { args: ['nft', 'add', 'table', 'bridge', 'probe'], failed: 'nftables lacks the bridge family' },
]

const PACKAGES: Readonly<Record<string, string>> = {
  ip: 'iproute2',
  tc: 'iproute2',
  nft: 'nftables',
  unshare: 'util-linux',
  setpriv: 'util-linux',
}

/** Runs `command`; returns the reason of its failure, or undefined when it succeeded. */
const failureOf = async (
  command: readonly string[],
  environment: Environment,
): Promise<string | undefined> => {
  const [program = '', ...args] = command
  const result = await execa(program, args, {
    env: { PATH: systemPath(environment.PATH) },
    reject: false,
    timeout: 10_000,
  })
  if (!result.failed) return undefined
  return result.stderr.trim().split('\n')[0] || result.shortMessage
}

const missingPrograms = async (environment: Environment): Promise<string[]> => {
  const programs = Object.keys(PACKAGES)
  const found = await Promise.all(
    programs.map((program) => failureOf(['sh', '-c', 'command -v "$1"', 'sh', program], environment)),
  )
  const missing = programs.filter((_, position) => found[position] !== undefined)
  if (missing.length === 0) return []
  const packages = [...new Set(missing.map((program) => PACKAGES[program]))]
  return [`${missing.join(', ')} not found; apt-get install ${packages.join(' ')}`]
}

/** The probes that fail under the command `unshare`, with their reasons. */
const failedProbes = async (unshare: readonly string[], environment: Environment): Promise<string[]> => {
  const failures = await Promise.all(
    PROBES.map(async ({ args, failed }) => {
      const reason = await failureOf([...unshare, '--net', '--mount', ...args], environment)
      return reason === undefined ? undefined : `${failed} (${reason})`
    }),
  )
  // Without a namespace all other probes fail for the same reason.
  const [first, ...others] = failures
  return first === undefined ? others.filter((reason) => reason !== undefined) : [first]
}

/** Finds out by trial whether this user can create a lab on this machine. */
export const checkRights = async (uid: number, environment: Environment): Promise<Rights> => {
  const missing = await missingPrograms(environment)
  if (missing.length > 0) return { namespaces: 'no', reasons: missing }
  const reasons: string[] = []
  if (uid === 0) {
    const asRoot = await failedProbes(['unshare'], environment)
    if (asRoot.length === 0) return { namespaces: 'now', reasons: [] }
    reasons.push(...asRoot.map((reason) => `as root: ${reason}`))
  } else {
    reasons.push('you are not root')
  }
  // Root in a container often lacks these rights, but may create a user namespace.
  const asUser = await failedProbes(USER_NAMESPACE, environment)
  if (asUser.length === 0) return { namespaces: 'in a user namespace', reasons: [] }
  return {
    namespaces: 'no',
    reasons: [...reasons, ...asUser.map((reason) => `in a user namespace: ${reason}`)],
  }
}

/**
 * The shell script that runs first in the user namespace. It mounts an empty /run, where `ip netns` and the labs store
 * their state. The shell remains process 1 of the new pid namespace: it reaps orphaned processes, which Node does not,
 * and when it ends the kernel kills all processes of the namespace.
 */
const NAMESPACE_SCRIPT =
  'mount -t tmpfs tmpfs /run && mkdir /run/netns && ip link set lo up || exit 3; "$@"; exit $?'

/** The command that runs `argv` as root of a new user namespace. */
const userNamespaceCommand = (argv: readonly string[]): string[] => [
  ...USER_NAMESPACE,
  ...['--net', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc'],
  ...['sh', '-c', NAMESPACE_SCRIPT, 'meshgauge', ...argv],
]

/** Runs `argv` in a new user namespace, where it can create labs. Returns its exit code; its labs end with it. */
export const reexecInUserNamespace = async (
  argv: readonly string[],
  environment: Environment,
): Promise<number> => {
  const [program = '', ...args] = userNamespaceCommand(argv)
  const result = await execa(program, args, {
    env: { PATH: systemPath(environment.PATH) },
    stdio: 'inherit',
    reject: false,
  })
  return result.exitCode ?? 1
}
