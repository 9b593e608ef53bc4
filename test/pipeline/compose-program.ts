import { spawnSync } from 'node:child_process';

/** `docker compose`, or docker-compose, or null where neither is installed. */
export function composeProgram(): [string, ...string[]] | null {
  const programs: Array<[string, ...string[]]> = [['docker', 'compose'], ['docker-compose']];
  return (
    programs.find(([name, ...args]) => spawnSync(name, [...args, 'version']).status === 0) ?? null
  );
}
