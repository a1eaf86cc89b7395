// src/host/debian/keys.ts — the keys whose signature on a Debian release is trusted, primary keys and signing subkeys.
// Taken from Debian's package debian-archive-keyring 2023.3+deb12u2. The list of fingerprints is the trust: nothing else adds to it
// but a keyring that the user names. Public key packets only (RFC 4880, 5.5.2), base64.
import type { TrustedKey } from "./openpgp.ts";

export const debianKeys: readonly TrustedKey[] = [
  {
    fingerprint: "B8B80B5B623EAB6AD8775C45B7C5D7D6350947F8",
    name: "Debian Archive Automatic Signing Key (12/bookworm)",
    packet:
      "BGPL0BUBEADmW5NdOOHwPIJlgPu6JDcKw/NZJPR8lsD3K87ZM18gzyQZJD+wns6TSXOsx+BmpouHZgvh3FQADj/hhLjpNSqH5IH0xY7nic9BuSey" +
      "Kx2WvfG62yxwXcFkwTxoWpF3tg0cv+kT4VA3MfVj5GebuS4F9Jv01WuGkxUllzdzeAoC70IYNOKV+Av7hX5cOaCAgvDCQmhVnQ6Nz4fXdPdMHVod" +
      "lPsKbv8ymVsfvb8UzQ6dl9w1gIu94S0FCQeEePSii23jHISYwku/f6huQGxSjAy8yxab0aZshl98c3pGGfOJHntmHwOGgqV+Gm1hbcBjc6X8ybL2" +
      "KEr/Lu4xAK3xSQmP+tO6MNxfBTCeo8fXRT95pqj7t3QHIu+LbVYrkLQ6St9mdOgUUsAdVYXJ3eh8Y+CfjmBywNRizOGHrEp8JsAcS0+a9yBL+BYW" +
      "hS4BL/EeeacRLT9kfzIqS1OD/RL/4Qbi2GLGFsiHaKFUn4xse20ZXq5XtEL6ltQVIr/iAlBtdSOnge/ZkNvd3SQIyC2QBNAy67QutS8yiaCE2vtr" +
      "8i5GQOu2fgr1NJ0VjuwshmgJvbZ2m/9Zq1Yp1iMnPVJtOWcNxTZAWJDN4L5OdoqbaOkqS/+cgLy2UTsc0A7cxt/2ugOtln/utXsfgb3Qno69yCuS" +
      "bQmVM1NrwvZVxPIWi7B2gQARAQAB",
  },
  {
    fingerprint: "4CB50190207B4758A3F73A796ED0E7B82643E131",
    name: "Debian Archive Automatic Signing Key (12/bookworm)",
    packet:
      "BGPL0BUBEADlIikS7hDU7PG64tF5vOTdUSBui36HPoe0t7wfobtkDCzKsm8lVyz7DAgo+Ikj6zF7ocM7t8PrN8b0c2dNRw5GDcVMxdNEC06/Beu7" +
      "8mWncrH/YMrWBblSYDEQcURpZHtyMU9C5JwCJT1+A8rOT/ukHTmbZJvR/DhFMxl5JAUBqYm2MzRo+yCCTnDXIuPS+BjP5Ms5wxZ1AfEHxw+6QY/5" +
      "vGqRhplI78D1DoFbRSUe17n3JSB5CQnqOJfqaaXXkE4PLmdnpViKhDQGdAm4+li/stqFvw4ZZg7hR5IL3/4SpXE7UDBiB9tmTUCo43qiqFU549iR" +
      "d4EMvMSUPvZ3P2GQ910SAwirTL7NGQccFoKGB2NxPM0YRP8scqrgF/7vAU2iEuDt8ObZdbZeg79rCDY162/BUwHMHuLbqOcbSYEq2JOEnW1CKIdj" +
      "IJ9vJsOCGrz9BzTN2hUGvxZemP1ZBiyAqK9VE3t/vXb0wB5I8NC2x7qvYHlIrg6kefoWXfkgRkwnYpmX0ywtLF2t3U7xfDYksQd8kP/025YCYeB0" +
      "t+0ODiDHNlFnmVEU5bx2L9Hw7SClAnOoZdCKd3mhrXl4Dlc61NtAnnBybWNsFIXJBOJcTIX1PYdcBA7BPBgerpgAYVELerhZukshAWmmqaAXm/8c" +
      "hoSeWEdfnBUpvtmdgG8AtwARAQAB",
  },
  {
    fingerprint: "05AB90340C0C5E797F44A8C8254CF3B5AEC0A8F0",
    name: "Debian Security Archive Automatic Signing Key (12/bookworm)",
    packet:
      "BGPL0F0BEAC8s6aFGXEkW0xvN5FSZKaM+rp9FX4EhWNfkKi7PaHEpZcjzC6JgIwSwJP7o9L/LLtLYr68Df9sv+AktdzhY50T4zBQouEl6ps/Zaai" +
      "VoTsH8wLOp7g/qDFJ8kH7quUU9Qh6AmirwmEddKmEZTrabg4OjeU/eJEEBJW8/NDc18lrqKC7S62hjt+XE7VC+/C/4BLEN0OvNjYfi+2giwVOBAT" +
      "hlAtaryz010g2Nb/zSdjQQCEndQswlS4enVwklleLo76S63H60rxbh2WiNCvRAJMm6OytcXsQO5NPLt0wyk9FvXf9r6BeQG8zabfA8u5pai+/a8C" +
      "YgMijH+k1LmBT2j5hOIFDQmUE05aNTLNYQz6uy+emXJkPtIf805D4nFYk1OSN/KZ3xYr+4+FtyfQ5Gj0blSPhsq7fJzoSDA2wTlx4Q6x7abStxts" +
      "Y78/LCqkRbSUHRKZq1t5jQ5laOV0D1MrLzQB2NFhTWDRHe6UrDOx/ea5ORBUMH7iW27DOZkMgeyidBzAdgoHArO+n9/OLdf1TvpgPuchEX9mn1eL" +
      "X5KTco2F/kTunn+Yn8A6LwJtFehE4SWL8+PN1xRp9fv3udDNGHwbOuOIvFcc5wNrDj2nzGAV4rJH9xpFTjx1cx8JYXVbuwGqVj0OVNz9jc64CYSp" +
      "CeKrWBi5DQruo9OSVQn8gQARAQAB",
  },
  {
    fingerprint: "B0CAB9266E8C3929798B3EEEBDE6D2B9216EC7A8",
    name: "Debian Security Archive Automatic Signing Key (12/bookworm)",
    packet:
      "BGPL0F0BEADg0ux+DJGosdzyReAND8zy7WXNY1HbaXW57gyAkNLq6VkSdlj+VxEdZUbOJxhQZ1hLz/uPYK0+htMeCPfJ0IFmJYo96nU1oA3GN7TC" +
      "5WioorWmh5ncnIX+VV11yo33BQHVlv/P52TQQQCWY4Mn7zp7d5BtsjbiaGYqddLadQKUIW7ErMToYnQws+Dh9AfVVy0IsYtnMd7lE2xdG3W//vuf" +
      "4/Rr8dxRGMWcQlNlD/Rv2LgW+pPtXJ9jHi6vdg5XxWY04ck+kNBM1o1mCoSP8jtIVNsJjMmufqlxn30BbH3C5vA0BQwnDEssReu4O1a7mqXaYry5" +
      "R+OTd3txyMh6riM1+t5eZujEjhJiTsq2GIJu+/fFv11Q5L+8wOPmTFaUN7Pg73H00a9JbUNE6p1XuLVJ8qc1EpbBxYYqLZKHWlicq3BgYq/MFORV" +
      "CuMhFaokv5ZuJAFLTZORBetkHBgJ0ns35B/6yJtM1nw94KDYm95HHnmCY81dbmQBxfhy5C0wLwokaGuRWBCnvH91WDjWSx54MsIb53x75onuH0GZ" +
      "B0P1+981sNJubEuE+1J91xkJI3xvAtfo3jERO7LYwsiSZOvu+HgPy0X1900rTRSXgsD8b0nMjEBQP0f2d9i+Jc/l6dXxxU4xLO8bLH24O0FLjOqW" +
      "Rmvwa8Bdc9bc/0nTvVXLawARAQAB",
  },
  {
    fingerprint: "4D64FEC119C2029067D6E791F8D2585B8783D481",
    name: "Debian Stable Release Key (12/bookworm)",
    packet:
      "BGPOuVMWCSsGAQQB2kcPAQEHQHe2dLK8LoZQeiShZHH+B1OEkkv8XEX8BEFs63K3+gBK",
  },
  {
    fingerprint: "04B54C3CDCA79751B16BC6B5225629DF75B188BD",
    name: "Debian Archive Automatic Signing Key (13/trixie)",
    packet:
      "BGfpPhUBEACnIlNQO4hEcoTe6/fkasYBgsIYoZvKfOemGKVAO+v+wQJ8X8DM4ffT3QrmO291LPwsmR+sGfMStf9Zbuv/reWsY8NCOTDt98RFQWG5" +
      "OZw0g1TOdheMnO43wfTJQNUyOAqKVArXrjvPKb472KEMQckvvccUoVupmcfom2Eofgqk6Z+aRfofVvhT6BQlmE1hb5uGRibEqm0RbDtUeSgs39pS" +
      "GF9gbfCw6ZjqxGJHcSJXKJCJu2UswddueSJWj6UfHfywPbIuXYx2Ypfb6RDx/kbkJCK+vNEl8FmD+6dl8hY4P+RfI/0iKWPaWwg5J9ohWk5kjL65" +
      "BOOQ4uRdq6TNeibOsS5DKlp0nozseaAUhDWsepY7k81/M9iLALV3cNExQasLkdGprSUjY1fKlpNnFZ/jfQT6eqR50dptA858d9+0iost2F40fGd5" +
      "HWuA6GJWfIhMCEwcf9aiRYzmD67Wie6agxF1z/PK3VGGBdmbZzZTMGRBrt6ayTEPLpbFUJvkLtf9vLcvkGS58OTFcnrqFCtEzQYCfYQvmdJaRHmO" +
      "R6r7k2epBC6eQ81h27TwhhfGvCuX7Hl/qYIHH37MMXZBonA7zICBI8b8EZOGdib2IjoLgm9Ez8Vq5rpTS28dMRDz5/MDHqSAy3PB33X3S+sTDc4K" +
      "567FS79aMpng57Qg4plqEwARAQAB",
  },
  {
    fingerprint: "B8E5F13176D2A7A75220028078DBA3BC47EF2265",
    name: "Debian Archive Automatic Signing Key (13/trixie)",
    packet:
      "BGfpPhUBEACygnWLGoIlLzcdlGoqPilLsgSQb/PN4pw+o3UJMfmWNtHulhVm/bpQr+ut/4POrp19kxaYU0tB5vcPPAz5PpG00kw47c42XO0WAngq" +
      "+Z8c/X7pDu0prGiTXHnWf0rINHXn403SN7EISGClSiTiU7l8jOhClUy3ZbVNMYFGzVa5VfBSzp8i7QBcAH3YS+FdE1vQQI3vZ13T25s3nghT6AHC" +
      "mTnSRdHjdEoKY8/FpTTlLc+x3Q3i5qqUYwwj9rOd2FtyZ+pudOIW/CQX0+PGeNTGkVkuDiCA8B4vzZ8nJyMnoQ8AeDLsb9PVkzPCL9NwtB0Wrat5" +
      "mcAq00oQGD3J8OKNtRHux76fIA/M1VemjxKbC79knGfCYaOtyNC7NasjcKnOJLuy5DlNnnXkXpmQCO6f2mWetsq7qUAZaW02u7sQ4QLs+zK+cwz5" +
      "Fcni5Lo0FRfsWdIVGYJjtxZZY0Lh7qRzYESv/KIhxnq8Iim+/rtWfHrPcq9hjykFQ3vtZKFfIhhDJMg6cNh+ev+JrHb+2RcEnogtYxyHmh9Eb0iS" +
      "vYN7Uxi8hc/wdmn6+l/J/vSrjXrNz8f9mUt48MjLpkssMPVHfM2mPaLoqBINP7zS3uVLZ5maYUaRJDTkg72es9DFg9t3DxVSCwsPTet8MDRPDEFV" +
      "7q2cDXTqHoV0JzrbFcWBQwARAQAB",
  },
  {
    fingerprint: "5E04A1E3223A19A20706E20F9904613D4CCE68C6",
    name: "Debian Security Archive Automatic Signing Key (13/trixie)",
    packet:
      "BGfpPl0BEACyof6b+LAkxSHiTZc0RAjilNtshxhqOSr5hrApjAdyLDnUWMf4mp/UytFKHCbzU9H9QkYXLyr2mCltknX5+A28iYHZzS0eX5XMAmaW" +
      "dqvd4IkAb/Sw5k3hFSyFTf0DUW1G8O2AwTwtsC0sX+jDyCzt+zBp2ARnasnm+3gZ85iBmmWkrZf+HDljanl/BHRE5JzX7Y8S/B72NHV7++m2dqCj" +
      "sEkWZDH9hyI08cybz/Kjs5wBnVuj1MqlStKu8kDP/rR8c3KaehwFC4piThZsFe/0SgtieLy+BvLs7bYRdO6SC589sPK55/yGmh5NHenVOafTC029" +
      "p5ZdF7KMPJnmGo5hIqQ1ONBDtVzPQkNO3zlGs+auEN1Rm0PGrRKd4LYbuJVikn7Xo0ZhrOnoczGEfmKAQmRVfWuSoXwH/Xn2DwESTXwx1ruHuXcY" +
      "0hiGdmfWVwJgiBa+Phm1Fj52ARvzcsIPM6Ib+nigzcSoXax3QrhPazVUaPn7PPy0ZEe/qKN31qOP1iCKfrc4VuykhEap9ZcN7HBwqcmAUBImnWp5" +
      "kJH4KeDhg4NfUKuREmPF1pyBzVXHQLi3eBQq+/G3fjJpVKOmUjz/6uURgncWeD49RITaeaX2Hgh5qpBXO95IGjp7+nkD6/CR9fjZ3W7DAC193Hw1" +
      "VCX+8zrCC9TZ31pxawYeewARAQAB",
  },
  {
    fingerprint: "89C87ACEA5DD6B8E6A7068808E9F831205B4BA95",
    name: "Debian Security Archive Automatic Signing Key (13/trixie)",
    packet:
      "BGfpPl0BEAChBbWGxo5+KUAHyz3DSblZpFjzv71W1DNuceRhNfUOUsu3lZKeI1dd3jchp367fmaC5+2rsg5AiZzuGwmhmFtgo1fB2ImCPGXuafex" +
      "KMrJzpLIJm0YxZnNzWauEWmZGTui4UjZ6DjB+c0UvapShIoRxBCgXckTO+w4RgcE5/aakAPh6PD4GyJHX8zAUZW21ZmS9NdNj3K4/8uBcICI0mRh" +
      "wvXBFz5PmBOPY9n5hI5iKC8cKR8F0CG1JRhtNsThx0S09fT+dQAnGPEo2PTwTcxji5OGHcWYfM4qMnfuEAjOGMCYh6GkKDzWMhc2kropnA0P3464" +
      "dK2sZ4peVOp2nx0m4GucqdtohZ0Ud9dJOchrjaS4Ob97s4bSti+cd0vboPxnZqi4i8GS2jvFBv8dkKbvn9Q4TNJdx/r2GBlBxgHfZZq2P77uGZn1" +
      "JjAzKGpNpW4KUG3p7LOsxGDUP1kjKbNryq35m/BTXIhDNizwfdClwVmKktFdApTpcHPlk/tIu3c1fOfmXZtkWv8oDJOXD0si2rabrfodCU7fRTOL" +
      "RLc8pH83S/HSlAr4Fe6aAQMzzddUpG5uNDBgFi0tBXB/Vvplz0P3t1YfdTTrnnWU2esYqIi/BMu8iu/yTe0eT8PFNwJLi9s26RSntD5blAlRlvTh" +
      "0lsq8ZOQbzNrZ4XbISgmzwARAQAB",
  },
  {
    fingerprint: "41587F7DB8C774BCCF131416762F67A0B2C39DE4",
    name: "Debian Stable Release Key (13/trixie)",
    packet:
      "BGfhqtUWCSsGAQQB2kcPAQEHQEZYdTl/OCjyUXnQD/zO1sTxRLYVsqQKfJ73nRYaml9K",
  },
];
