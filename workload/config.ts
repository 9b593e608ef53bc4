/**
 * The configuration, from the environment, checked once at start. Every fault is reported, not the
 * first alone, each with the variable's name and what would be valid.
 */
export interface Config {
  host: string;
  /** 0: any free one. */
  port: number;
  dbUrl: string;
  dbToken: string | undefined;
  synchronous: 'normal' | 'full';
  busyTimeoutMs: number;
  /** Served by /readyz, so that a reply proves which deployment it came from. */
  nonce: string | null;
  log: 'off' | 'requests';
  /** Insert the seed posts where the posts table is new. */
  seed: boolean;
  /** Send Server-Timing. */
  serverTiming: boolean;
  /** TLS ends in front of this server: cookies are Secure. */
  https: boolean;
  /** How long open requests may take to finish after SIGTERM. */
  drainMs: number;
  /** How long a client may take to send a whole request. */
  requestTimeoutMs: number;
}

/** What the environment lacks, as sentences. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly faults: string[];
  constructor(faults: string[]) {
    super(`invalid configuration: ${faults.join('; ')}`);
    this.faults = faults;
  }
}

type Environment = Record<string, string | undefined>;

/** Name, default and meaning of each variable: what `--help` of the server prints. */
export const VARIABLES: ReadonlyArray<{ name: string; default: string; meaning: string }> = [
  { name: 'SCRATCHPAD_HOST', default: '127.0.0.1', meaning: 'address to listen on' },
  { name: 'SCRATCHPAD_PORT', default: '5001', meaning: 'port to listen on, 0 for any' },
  {
    name: 'SCRATCHPAD_DB_URL',
    default: 'file:scratchpad.db',
    meaning: 'file:PATH, or libsql:, https:, http: of a libSQL server',
  },
  { name: 'SCRATCHPAD_DB_TOKEN', default: '', meaning: 'token for a libSQL server' },
  {
    name: 'SCRATCHPAD_SYNCHRONOUS',
    default: 'normal',
    meaning: 'of a file: normal, or full: commits survive a power cut too',
  },
  {
    name: 'SCRATCHPAD_BUSY_TIMEOUT_MS',
    default: '5000',
    meaning: 'how long a statement waits for another writer',
  },
  { name: 'SCRATCHPAD_NONCE', default: '', meaning: 'served by /readyz' },
  { name: 'SCRATCHPAD_LOG', default: 'off', meaning: 'off, or requests: one JSON line a request' },
  { name: 'SCRATCHPAD_SEED', default: '0', meaning: '1: seed posts where the table is new' },
  { name: 'SCRATCHPAD_SERVER_TIMING', default: '1', meaning: '0: no Server-Timing header' },
  { name: 'SCRATCHPAD_HTTPS', default: '0', meaning: '1: TLS ends in front, cookies are Secure' },
  {
    name: 'SCRATCHPAD_DRAIN_MS',
    default: '10000',
    meaning: 'time for open requests after SIGTERM',
  },
  {
    name: 'SCRATCHPAD_REQUEST_TIMEOUT_MS',
    default: '30000',
    meaning: 'time a client has to send a whole request',
  },
];

/**
 * Throws ConfigError. An empty variable counts as not set.
 * `hasFiles`: false where the runtime has none, so that the database has to be a server.
 */
export function parseConfig(env: Environment, { hasFiles = true } = {}): Config {
  const faults: string[] = [];
  const text = (name: string): string => {
    const value = env[name];
    if (value !== undefined && value !== '') return value;
    return VARIABLES.find((variable) => variable.name === name)!.default;
  };
  const whole = (name: string, min: number, max: number): number => {
    const value = text(name);
    const number = /^\d{1,10}$/.test(value) ? Number(value) : Number.NaN;
    if (!(number >= min && number <= max)) {
      faults.push(`${name} must be a whole number from ${min} to ${max}, not ${quote(value)}`);
    }
    return number;
  };
  const oneOf = <T extends string>(name: string, values: readonly T[]): T => {
    const value = text(name) as T;
    if (!values.includes(value)) {
      faults.push(`${name} must be ${values.join(' or ')}, not ${quote(value)}`);
    }
    return value;
  };
  const flag = (name: string): boolean => oneOf(name, ['0', '1']) === '1';

  const dbUrl = text('SCRATCHPAD_DB_URL');
  if (!/^(file:.|libsql:\/\/.|https?:\/\/.)/.test(dbUrl)) {
    faults.push(
      `SCRATCHPAD_DB_URL must begin with file:, libsql://, https:// or http://, not ${quote(dbUrl)}`,
    );
  }
  if (!hasFiles && isFile({ dbUrl })) {
    faults.push(`SCRATCHPAD_DB_URL must name a libSQL server here, not ${quote(dbUrl)}`);
  }
  const nonce = text('SCRATCHPAD_NONCE');
  if (!/^[\x21-\x7e]{0,200}$/.test(nonce)) {
    faults.push('SCRATCHPAD_NONCE must be at most 200 printable ASCII characters without spaces');
  }
  const config: Config = {
    host: text('SCRATCHPAD_HOST'),
    port: whole('SCRATCHPAD_PORT', 0, 65_535),
    dbUrl,
    dbToken: text('SCRATCHPAD_DB_TOKEN') || undefined,
    synchronous: oneOf('SCRATCHPAD_SYNCHRONOUS', ['normal', 'full']),
    busyTimeoutMs: whole('SCRATCHPAD_BUSY_TIMEOUT_MS', 0, 60_000),
    nonce: nonce || null,
    log: oneOf('SCRATCHPAD_LOG', ['off', 'requests']),
    seed: flag('SCRATCHPAD_SEED'),
    serverTiming: flag('SCRATCHPAD_SERVER_TIMING'),
    https: flag('SCRATCHPAD_HTTPS'),
    drainMs: whole('SCRATCHPAD_DRAIN_MS', 0, 600_000),
    requestTimeoutMs: whole('SCRATCHPAD_REQUEST_TIMEOUT_MS', 100, 600_000),
  };
  if (config.synchronous === 'full' && !isFile(config)) {
    faults.push('SCRATCHPAD_SYNCHRONOUS=full is for a file; a libSQL server has its own setting');
  }
  if (faults.length > 0) throw new ConfigError(faults);
  return config;
}

/** Whether the database is a file of this machine, not a libSQL server. */
export const isFile = ({ dbUrl }: Pick<Config, 'dbUrl'>): boolean => dbUrl.startsWith('file:');

/** At most 40 characters of the value, and no credentials of a URL: it may hold a secret. */
function quote(value: string): string {
  const told = value.replace(/:\/\/[^/?#]*@/, '://…@');
  return JSON.stringify(told.length > 40 ? `${told.slice(0, 40)}…` : told);
}
