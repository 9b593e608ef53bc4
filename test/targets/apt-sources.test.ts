import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import {
  hostAptSources,
  parseDeb822,
  parseOneLine,
  parseOsRelease,
} from '../../cli/targets/apt-sources.ts';
import { stateSandbox } from './harness.ts';

const DEB822 = `Types: deb deb-src
# a comment
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://mirror.example/debian-security
Suites: bookworm-security
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 -----END PGP PUBLIC KEY BLOCK-----

Types: deb
URIs: https://download.docker.example/linux/debian
Suites: bookworm
Components: stable

Types: deb
URIs: http://mirror.example/debian
Suites: bookworm
Components: main
Enabled: no
`;

describe('the distribution’s own package sources', () => {
  it('in stanzas: each suite of the release, without third parties and what is disabled', () => {
    assert.deepEqual(parseDeb822(DEB822, 'bookworm'), [
      'deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://mirror.example/debian bookworm main',
      'deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://mirror.example/debian bookworm-updates main',
      'deb http://mirror.example/debian-security bookworm-security main',
    ]);
  });

  it('on lines: the same', () => {
    const text = `# deb http://off.example noble main
deb [arch=amd64 signed-by=/k.gpg] http://archive.example/ubuntu noble main restricted # ours
deb http://archive.example/ubuntu noble-security main universe
deb-src http://archive.example/ubuntu noble main
deb http://archive.example/ubuntu noble-backports main
deb https://apt.postgres.example noble-pgdg main
deb cdrom:[x]/ noble main
deb http://archive.example/ubuntu noble universe
`;
    assert.deepEqual(parseOneLine(text, 'noble'), [
      'deb [signed-by=/k.gpg] http://archive.example/ubuntu noble main',
      'deb http://archive.example/ubuntu noble-security main',
    ]);
  });

  it('of a host: both notations together, each entry once', (t) => {
    const root = stateSandbox(t);
    mkdirSync(join(root, 'etc/apt/sources.list.d'), { recursive: true });
    writeFileSync(join(root, 'etc/os-release'), 'ID=debian\nVERSION_CODENAME=bookworm\n');
    const line = 'deb http://mirror.example/debian bookworm main\n';
    writeFileSync(join(root, 'etc/apt/sources.list'), line);
    writeFileSync(join(root, 'etc/apt/sources.list.d/a.list'), line);
    writeFileSync(join(root, 'etc/apt/sources.list.d/b.sources'), DEB822);
    const found = hostAptSources(root);
    assert.equal(found?.codename, 'bookworm');
    assert.equal(found?.lines.length, 4);
  });

  it('there are none on other distributions, nor without a code name', (t) => {
    const root = stateSandbox(t);
    assert.equal(hostAptSources(root), null);
    mkdirSync(join(root, 'etc'));
    writeFileSync(join(root, 'etc/os-release'), 'ID=fedora\nVERSION_CODENAME=""\n');
    assert.equal(hostAptSources(root), null);
    assert.deepEqual(parseOsRelease('ID="ubuntu"\nVERSION_CODENAME=noble\n'), {
      id: 'ubuntu',
      codename: 'noble',
    });
  });
});
