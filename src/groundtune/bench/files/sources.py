"""Addresses of our benchmarks' data: repository, full commit, path, sha256 and bytes.

A file without a known sha256 is not here: it must be downloaded by hand and given with --data;
`by_hand` says from where. The hashes of files on GitHub are those of the repositories' objects at
these commits. Those of MMStar, MMBench and VQAv2 come from other projects that check them; we have
not verified them with the files.
"""

from groundtune.bench.files.published import OfficialData, Publisher

_POPE = Publisher("github", "AoiDragon/POPE", "08d957b917e5a378a2f99d35b6293c536a66298b")
_AMBER = Publisher("github", "junyangwang0410/AMBER", "534babf6bbfcce2e735c26289dedfb21cef3c939")
_HALLUSION = Publisher(
    "github", "tianyi-lab/HallusionBench", "744007c232c292942c7f80eb61edb2465482da31"
)
_CHAIR = Publisher("github", "LisaAnne/Hallucination", "6e4d33c4bedf6dfcd24c61bf527f40714717be47")
_SETS = Publisher(
    "github", "Maxlinn/CHAIR-metric-standalone", "640c507166a86c07a4ea1777029ad369e2f4cc60"
)
_RLAIF_V = Publisher("github", "RLHF-V/RLAIF-V", "83d917b2e8118ca8e7877a796d72af9bb3e6b356")
_LLAVA = Publisher("github", "haotian-liu/LLaVA", "c121f0432da27facab705978f83c4ada465e46fd")
_TABLES = Publisher("hub", "mm-eval/VLMEvalKit", "772639df87331ba19da76ea9cc5fa77836a15a18")
"""A copy of OpenCompass's tables; MMStar's is the one whose md5 VLMEvalKit checks."""
_OPEN_COMPASS = Publisher("web", "https://opencompass.openxlab.space/utils/benchmarks/MMBench")
_VQA = Publisher("web", "https://s3.amazonaws.com/cvmlp/vqa/mscoco/vqa")

CHAIR_SETS = _SETS.file(
    "chair.pkl",
    "73ce11225febb97df38c5bfad60b3ff6cc25852e9df9a1330673155b4be851c3",
    size=2057907,
    rows=123287,
)
CHAIR = OfficialData(
    sets={
        "": (
            _CHAIR.file(
                "data/synonyms.txt",
                "b685537b36fe21b791c87151b96a991ceb582edff19f3da204dcc7a7905502f2",
                size=3577,
                rows=80,
            ),
            CHAIR_SETS,
        )
    },
    licence="BSD-2-Clause (synonyms.txt); chair.pkl names none",
    by_hand="COCO's annotations of 2014, which can be given instead of chair.pkl: "
    "cocodataset.org (241 MB, without https); images: COCO's val2014, there too",
)

OFFICIAL: dict[str, OfficialData] = {
    "pope": OfficialData(
        sets={
            "coco": (
                _POPE.file(
                    "output/coco/coco_pope_random.json",
                    "ac25245170b975a5bdf9080b23fd431dfe6be458bc038259c1f4f09a6bef7994",
                    size=368166,
                    rows=3000,
                ),
                _POPE.file(
                    "output/coco/coco_pope_popular.json",
                    "72c1a8ad45d0c13514f5f22598261df41d3b533854d29682e924db50ed8aa753",
                    size=370190,
                    rows=3000,
                ),
                _POPE.file(
                    "output/coco/coco_pope_adversarial.json",
                    "420b3407db1fa9f1187a805dca41cb7b97fd91504e6c2179706188c107fb8ef8",
                    size=370401,
                    rows=3000,
                ),
            ),
            "aokvqa": (
                _POPE.file(
                    "output/seem/aokvqa/aokvqa_pope_seem_random.json",
                    "f06eecde6d6ef4a00b95a7bbb510490708a09a6a67d952b59b8bdd33ac2c7200",
                    size=495827,
                    rows=3000,
                ),
                _POPE.file(
                    "output/seem/aokvqa/aokvqa_pope_seem_popular.json",
                    "2ae5bedee3450cda52f9b033942c7b04a3917a86a110e859a66c1e41934c6ffd",
                    size=492597,
                    rows=3000,
                ),
                _POPE.file(
                    "output/seem/aokvqa/aokvqa_pope_seem_adversarial.json",
                    "2ddd3bdfa0df7a77a2cb1765ed06ac5ed190b5a093aa405b96986e862e8cdac1",
                    size=494039,
                    rows=3000,
                ),
            ),
            "gqa": (
                _POPE.file(
                    "output/seem/gqa/gqa_pope_seem_random.json",
                    "6ce488eade3770185034939fabfe742fa32ed369011c8d9c3ac77bc0c85abd94",
                    size=441272,
                    rows=3000,
                ),
                _POPE.file(
                    "output/seem/gqa/gqa_pope_seem_popular.json",
                    "dd03f06a458dd216e83233160fbf6628af9c63c84b11e99599f4fc0304b3361d",
                    size=438334,
                    rows=3000,
                ),
                _POPE.file(
                    "output/seem/gqa/gqa_pope_seem_adversarial.json",
                    "74e01b41d8308e2392e3b8d961167496ff3901c01100265d931a7a392f138a7a",
                    size=439786,
                    rows=3000,
                ),
            ),
        },
        licence="MIT",
        by_hand="images: COCO's val2014 (cocodataset.org) for coco and aokvqa; GQA's own",
    ),
    "mme": OfficialData(
        sets={},
        by_hand="questions and images: from its authors, on request; scoring needs none of them",
    ),
    "chair": CHAIR,
    "object_halbench": OfficialData(
        sets={
            "": (
                _RLAIF_V.file(
                    "eval/data/synonyms_refine.txt",
                    "681041d2958d7871ed6fa69c3108f34aa6a0a354eb53ed4c5a425e65f86bc72a",
                    size=3594,
                    rows=80,
                ),
                CHAIR_SETS,
            )
        },
        licence="CC BY-NC 4.0 (synonyms_refine.txt); chair.pkl names none",
        by_hand="requests and images: eval/data of RLHF-V/RLAIF-V",
    ),
    "amber": OfficialData(
        sets={
            "": (
                _AMBER.file(
                    "data/annotations.json",
                    "db22a436c4836fbb295e60b4e80d519573077579fb7032f01b193c1bd022b797",
                    size=1813301,
                    rows=15220,
                ),
                _AMBER.file(
                    "data/relation.json",
                    "c4c1491e9bbc3209abc1888c12a1bf8413bdbab8a0d8be04b990a2e7680cf23e",
                    size=12699,
                    rows=340,
                ),
                _AMBER.file(
                    "data/safe_words.txt",
                    "f92cf1123f4578a2630832fac3e6ac4de36212ea55859d3bed4fd233723f4043",
                    size=57,
                ),
                _AMBER.file(
                    "data/metrics.txt",
                    "2fbe2ee584d10e7ce0a568a4902d3d2296727d45f761bf091dd35c4e4b5bc6ac",
                    size=899,
                ),
                _AMBER.file(
                    "data/query/query_all.json",
                    "127680ae61f7d4a92d2f7f07a8deaec07f0689b194d2c7c0f41ead7bd2c5bcf5",
                    size=1844750,
                    rows=15220,
                ),
            )
        },
        licence="Apache-2.0",
        by_hand="images: the link of junyangwang0410/AMBER; word vectors for --similarity: those "
        "of spaCy's en_core_web_lg, as text",
    ),
    "mmhal": OfficialData(
        sets={
            "": (
                _RLAIF_V.file(
                    "eval/data/mmhal-bench_answer_template.json",
                    "28ed24e19ffef292597c35f1dad37760b2e0a088b3b40ca3b50f105fc1b951bb",
                    size=50519,
                    rows=96,
                ),
            )
        },
        licence="Apache-2.0",
        by_hand="images: Shengcao1006/MMHal-Bench on the Hugging Face hub",
    ),
    "hallusionbench": OfficialData(
        sets={
            "": (
                _HALLUSION.file(
                    "HallusionBench.json",
                    "ca6e0fb677dd56e5fb0e2700d06c58d01f8a6ae66e0f1773b2ac48c0a095d051",
                    size=431987,
                    rows=1129,
                ),
            )
        },
        licence="BSD-3-Clause",
        by_hand="figures: the link of tianyi-lab/HallusionBench",
    ),
    "llava_bench": OfficialData(
        sets={
            "": (
                _LLAVA.file(
                    "playground/data/coco2014_val_qa_eval/qa90_questions.jsonl",
                    "2a77196696b5602b544244ace9aeac21300513be85b5e53eb2414d00cddbe1c7",
                    size=12242,
                    rows=90,
                ),
                _LLAVA.file(
                    "playground/data/coco2014_val_qa_eval/qa90_gpt4_answer.jsonl",
                    "5fd1a760483fb54e62a717a406add8a986f3e03a40d037b5d6515828cc90dbc5",
                    size=41305,
                    rows=90,
                ),
                _LLAVA.file(
                    "llava/eval/table/caps_boxes_coco2014_val_80.jsonl",
                    "818d3df2b52784699bbdc129b6bc68e035d78ff8f5093c3e2ce5e0f726549b15",
                    size=58574,
                    rows=80,
                ),
                _LLAVA.file(
                    "llava/eval/table/rule.json",
                    "dd7345a44ce9f7a24e51a30ee030cdab32346f9d08e3359c80545ff1312b1e07",
                    size=9098,
                    rows=10,
                ),
            )
        },
        licence="Apache-2.0; OpenAI's terms for GPT-4's answers",
        by_hand="in the wild: liuhaotian/llava-bench-in-the-wild on the Hugging Face hub; "
        "images of the other set: COCO's val2014 (cocodataset.org)",
    ),
    "shr": OfficialData(
        sets={},
        by_hand="juliozhao/SHR on the Hugging Face hub; image_data.json, region_descriptions.json "
        "and images: Visual Genome",
    ),
    "refomb": OfficialData(
        sets={
            "": (
                _RLAIF_V.file(
                    "eval/data/gpt4v_RefoMB_dev_0521.jsonl",
                    "f3efb866a4154c284446943d90b93659b936e52e49f1d39cb8ccc45b29496ac6",
                    size=544484,
                    rows=99,
                ),
            )
        },
        licence="CC BY-NC 4.0",
        by_hand="images: the addresses in the questions; the test set is not public",
    ),
    "mmstar": OfficialData(
        sets={
            "": (
                _TABLES.file(
                    "MMStar.tsv",
                    "5b581d485fcfbb0f4c8fc0440fc4ecea17fb4ba1750c6446fd20833070552e95",
                    size=59552082,
                    rows=1500,
                ),
            )
        },
        licence="as Lin-Chen/MMStar on the Hugging Face hub says",
    ),
    "vqav2": OfficialData(
        sets={
            "": (
                _VQA.file(
                    "v2_Annotations_Val_mscoco.zip",
                    "0caae7c8d1dafd852727f5ac046bc1efca9b72026bd6ffa34fc489f3a7b3291e",
                    member="v2_mscoco_val2014_annotations.json",
                ),
                _VQA.file(
                    "v2_Questions_Val_mscoco.zip",
                    "e71f6c5c3e97a51d050f28243e262b28cd0c48d11a6b4632d769d30d3f93222a",
                    member="v2_OpenEnded_mscoco_val2014_questions.json",
                ),
            )
        },
        licence="CC BY 4.0",
        by_hand="images: COCO's val2014 (cocodataset.org)",
    ),
    "mmbench": OfficialData(
        sets={
            "": (
                _OPEN_COMPASS.file(
                    "MMBench_DEV_EN.tsv",
                    "64baa14c5ec650302f428212a0b3efc5c88fbf9236d0d6fdea45c555f0b02d7a",
                    size=37156625,
                ),
            )
        },
        licence="as open-compass/MMBench says",
    ),
    "mhumaneval": OfficialData(sets={}, by_hand="its 50 items were never published"),
    "vl_rewardbench": OfficialData(
        sets={},
        by_hand="the Parquet of MMInstruction/VL-RewardBench, whose hash is not known yet",
    ),
    "overgeneral": CHAIR,
}
"""By the benchmark's name; a third party's stand in its `Benchmark.official`."""
