"""The clips of GRID in the project's development and test lists, whatever else a folder of the corpus holds."""

from __future__ import annotations

DEV, TEST_S1, TEST_S2S5 = "dev", "test_s1", "test_s2s5"


def _ids(names: str) -> frozenset[str]:
    return frozenset(names.split())


# Drawn with seed 0 from 900 clips of s1 and 14 of each of s2 to s5.
LISTS = {
    DEV: _ids("""
        s1_bgah2p s1_bgat8n s1_bgia3s s1_brwt6p s1_bwag5s s1_bwwu2p s1_lbix5s s1_lbwe4n s1_lgamzp s1_lwbf4p
        s1_lwbs3a s1_lwie5s s1_lwir5a s1_lwwz8n s1_pbac1s s1_pbai7a s1_pbbv7s s1_pbii1s s1_pgay2p s1_pgwl3a
        s1_prbj5s s1_prbx2n s1_prwd4n s1_pwbk1s s1_pwwy2n s1_sbag9s s1_sbat8p s1_sbat9a s1_sbbbzp s1_sbbh4p
        s1_sbia3a s1_sbiazn s1_sbim9s s1_sgac3s s1_sgbc8p s1_sgwd1s s1_sgwd2p s1_sgwx5a s1_swbc3a s1_swwp3s
    """),
    TEST_S1: _ids("""
        s1_bbas2p s1_bbbz8n s1_bbif1a s1_bbil5a s1_bbir6n s1_bbwt1a s1_bgah1s s1_bgbbzn s1_bgbh4n s1_bgig8p
        s1_bgig9a s1_bgwu9a s1_brbg4p s1_brbg5a s1_brbm6n s1_brbt1s s1_brbt2p s1_bril9s s1_brimzp s1_briz8p
        s1_brwa3s s1_brwt7a s1_bwba5s s1_bwwbzp s1_bwwh2n s1_bwwn7s s1_lbad6n s1_lbak2p s1_lbbe1s s1_lbbk5s
        s1_lbbr1a s1_lbwr4p s1_lgaf5s s1_lgal8n s1_lgbf8n s1_lgbm5a s1_lgif2p s1_lgil5s s1_lgwg3s s1_lrak8p
        s1_lrbe8p s1_lrik4p s1_lrwz3s s1_lwar7s s1_lwazzn s1_lwbl6n s1_lwbz7a s1_lwie7a s1_lwik8n s1_lwwm3a
        s1_lwws7a s1_pbai5s s1_pbbc6p s1_pbbi8n s1_pbib7s s1_pbib8p s1_pbio6p s1_pgak2n s1_pgaq7s s1_pgbk7s
        s1_pgikzp s1_pgiq2n s1_pgix9a s1_pgwe8p s1_prac7s s1_pric2n s1_pric3s s1_prwk1a s1_pwaj8p s1_pwax5s
        s1_pwbyzp s1_pwij5a s1_pwip7s s1_pwixzn s1_pwwezn s1_sbaa4n s1_sban2n s1_sbba8n s1_sbit4p s1_sbwb2n
        s1_sgapzn s1_sgib8n s1_sgii5a s1_sgio8p s1_sgio9a s1_sgwd3a s1_sraozp s1_srau3s s1_srau4p s1_srwvzn
        s1_swai2p s1_swao6p s1_swav1a s1_swib3s s1_swio2p s1_swiu4n s1_swiu5s s1_swwc4n s1_swwc7a s1_swwv9a
    """),
    TEST_S2S5: _ids("""
        s2_bbaf4a s2_bbas1p s2_bbbf5n s2_bbbf7p s3_bbal5s s3_bbal6p s3_bbas1a s3_bbbf6p s4_bbae9n s4_bbar9p
        s4_bbaz1n s4_bbaz4a s5_bbae8n s5_bbal2n s5_bbal4p s5_bbbf2n
    """),
}  # fmt: skip
