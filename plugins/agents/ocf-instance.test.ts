import { describe, expect, it } from 'vitest';
import { parseInstance } from './ocf-instance.ts';

describe('an instance file', () => {
  it('gives its plain assignments', () => {
    const text = `# data
OCF_RESKEY_device=/dev/sdb1

export OCF_RESKEY_directory="/srv/my data"
  OCF_RESKEY_options='a "b" $c' # as it is
OCF_RESKEY_fstype=ext4;
OCF_RESKEY_empty=
export OCF_RESKEY_device OCF_RESKEY_fstype\r
`;
    expect(parseInstance(text)).toEqual({
      ok: true,
      variables: {
        OCF_RESKEY_device: '/dev/sdb1',
        OCF_RESKEY_directory: '/srv/my data',
        OCF_RESKEY_options: 'a "b" $c',
        OCF_RESKEY_fstype: 'ext4',
        OCF_RESKEY_empty: '',
      },
    });
  });

  it.each([
    'a=$b',
    'a="$b"',
    'a=`id`',
    'a=b c',
    'a=b; rm x',
    'a=b && c',
    'a="b',
    'a=b\\',
    'a=x"y"',
    '. /etc/other',
    'if true; then a=b; fi',
  ])('with %s is left to a shell', (line) => {
    expect(parseInstance(`x=1\n${line}\n`)).toMatchObject({ ok: false, line: 2 });
  });
});
