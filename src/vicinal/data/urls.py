"""URLs of known data sets, and what their archives are verified by."""

from typing import NamedTuple

_S3 = "https://s3.amazonaws.com/fast-ai-"


class URLs:
    """Addresses of data sets for :func:`untar_data`, by fastai's names.

    >>> URLs.PETS
    'https://s3.amazonaws.com/fast-ai-imageclas/oxford-iiit-pet.tgz'
    """

    ADULT_SAMPLE = f"{_S3}sample/adult_sample.tgz"
    AG_NEWS = f"{_S3}nlp/ag_news_csv.tgz"
    BIWI_HEAD_POSE = f"{_S3}imagelocal/biwi_head_pose.tgz"
    BIWI_SAMPLE = f"{_S3}sample/biwi_sample.tgz"
    CALTECH_101 = f"{_S3}imageclas/caltech_101.tgz"
    CAMVID = f"{_S3}imagelocal/camvid.tgz"
    CAMVID_TINY = f"{_S3}sample/camvid_tiny.tgz"
    CARS = f"{_S3}imageclas/stanford-cars.tgz"
    CIFAR = f"{_S3}sample/cifar10.tgz"
    CIFAR_100 = f"{_S3}imageclas/cifar100.tgz"
    CUB_200_2011 = f"{_S3}imageclas/CUB_200_2011.tgz"
    DBPEDIA = f"{_S3}nlp/dbpedia_csv.tgz"
    DOGS = f"{_S3}sample/dogscats.tgz"
    FLOWERS = f"{_S3}imageclas/oxford-102-flowers.tgz"
    FOOD = f"{_S3}imageclas/food-101.tgz"
    IMAGENETTE = f"{_S3}imageclas/imagenette2.tgz"
    IMAGENETTE_160 = f"{_S3}imageclas/imagenette2-160.tgz"
    IMAGENETTE_320 = f"{_S3}imageclas/imagenette2-320.tgz"
    IMAGEWANG = f"{_S3}imageclas/imagewang.tgz"
    IMAGEWANG_160 = f"{_S3}imageclas/imagewang-160.tgz"
    IMAGEWANG_320 = f"{_S3}imageclas/imagewang-320.tgz"
    IMAGEWOOF = f"{_S3}imageclas/imagewoof2.tgz"
    IMAGEWOOF_160 = f"{_S3}imageclas/imagewoof2-160.tgz"
    IMAGEWOOF_320 = f"{_S3}imageclas/imagewoof2-320.tgz"
    IMDB = f"{_S3}nlp/imdb.tgz"
    IMDB_SAMPLE = f"{_S3}sample/imdb_sample.tgz"
    MNIST = f"{_S3}imageclas/mnist_png.tgz"
    MNIST_SAMPLE = f"{_S3}sample/mnist_sample.tgz"
    MNIST_TINY = f"{_S3}sample/mnist_tiny.tgz"
    MNIST_VAR_SIZE_TINY = f"{_S3}imageclas/mnist_var_size_tiny.tgz"
    PASCAL_2007 = f"{_S3}imagelocal/pascal_2007.tgz"
    PASCAL_2012 = f"{_S3}imagelocal/pascal_2012.tgz"
    PETS = f"{_S3}imageclas/oxford-iiit-pet.tgz"
    PLANET_SAMPLE = f"{_S3}sample/planet_sample.tgz"
    PLANET_TINY = f"{_S3}sample/planet_tiny.tgz"
    YELP_REVIEWS = f"{_S3}nlp/yelp_review_full_csv.tgz"


class Fingerprint(NamedTuple):
    """Of an archive."""

    size: int
    # The published sums cover only the first mebibyte; gzip's own checksum covers the rest.
    md5_of_first_mebibyte: str


# As fastai 2.8 publishes them; the archives that it has none of are not verified.
KNOWN = {
    URLs.ADULT_SAMPLE: Fingerprint(968212, "64eb9d7e23732de0b138f7372d15492f"),
    URLs.AG_NEWS: Fingerprint(11784419, "b86f328f4dbd072486591cb7a5644dcd"),
    URLs.BIWI_HEAD_POSE: Fingerprint(452316199, "00f4ccf66e8cba184bc292fdc08fb237"),
    URLs.BIWI_SAMPLE: Fingerprint(593774, "9179f4c1435f4b291f0d5b072d60c2c9"),
    URLs.CALTECH_101: Fingerprint(131740031, "d673425306e98ee4619fcdeef8a0e876"),
    URLs.CAMVID: Fingerprint(598913237, "648371e4f3a833682afb39b08a3ce2aa"),
    URLs.CAMVID_TINY: Fingerprint(2314212, "2cf6daf91b7a2083ecfa3e9968e9d915"),
    URLs.CARS: Fingerprint(1957803273, "9045d6673c9ced0889f41816f6bf2f9f"),
    URLs.CIFAR: Fingerprint(168168549, "a5f8c31371b63a406b23368042812d3c"),
    URLs.CIFAR_100: Fingerprint(169168619, "e5e65dcb54b9d3913f7b8a9ad6607e62"),
    URLs.CUB_200_2011: Fingerprint(1150585339, "d2acaa99439dff0483c7bbac1bfe2a92"),
    URLs.DBPEDIA: Fingerprint(68341743, "239c7837b9e79db34486f3de6a00e38e"),
    URLs.DOGS: Fingerprint(839285364, "3e483c8d6ef2175e9d395a6027eb92b7"),
    URLs.FLOWERS: Fingerprint(345236087, "5666e01c1311b4c67fcf20d2b3850a88"),
    URLs.FOOD: Fingerprint(5686607260, "1a540ebf1fb40b2bf3f2294234ba7907"),
    URLs.IMAGENETTE: Fingerprint(1557161267, "2c774ecb40005b35d7937d50f5d42336"),
    URLs.IMAGENETTE_160: Fingerprint(99003388, "c475f8f7617a200ba35b9facc48443c3"),
    URLs.IMAGENETTE_320: Fingerprint(341663724, "1f1f74f133caff120e575856659b87a2"),
    URLs.IMAGEWANG: Fingerprint(2900347689, "2b7776bac0fc95db72ac8a3b091a3e30"),
    URLs.IMAGEWANG_160: Fingerprint(191498213, "dab9b1d97b95574ac64122a19bc74ca1"),
    URLs.IMAGEWANG_320: Fingerprint(669826647, "fff8ac034d60e14fcf7789845e625263"),
    URLs.IMAGEWOOF: Fingerprint(1343715595, "2cc1c1e36e20cb6fd24ffb978edcb487"),
    URLs.IMAGEWOOF_160: Fingerprint(92612825, "3559b194123981a540b87132dbda412f"),
    URLs.IMAGEWOOF_320: Fingerprint(328387740, "7a1fd92672a559a85de76e4810a20c21"),
    URLs.IMDB: Fingerprint(144440600, "90f9b1c4ff43a90d67553c9240dc0249"),
    URLs.IMDB_SAMPLE: Fingerprint(571827, "0842e61a9867caa2e6fbdb14fa703d61"),
    URLs.MNIST: Fingerprint(15683414, "03639f83c4e3d19e0a3a53a8a997c487"),
    URLs.MNIST_SAMPLE: Fingerprint(3214948, "2dbc7ec6f9259b583af0072c55816a88"),
    URLs.MNIST_TINY: Fingerprint(342207, "56143e8f24db90d925d82a5a74141875"),
    URLs.MNIST_VAR_SIZE_TINY: Fingerprint(565372, "b71a930f4eb744a4a143a6c7ff7ed67f"),
    URLs.PASCAL_2007: Fingerprint(1637796771, "433b4706eb7c42bd74e7f784e3fdf244"),
    URLs.PASCAL_2012: Fingerprint(2618908000, "d90e29e54a4c76c0c6fba8355dcbaca5"),
    URLs.PETS: Fingerprint(811706944, "e4db5c768afd933bb91f5f594d7417a4"),
    URLs.PLANET_SAMPLE: Fingerprint(15523994, "8bfb174b3162f07fbde09b54555bdb00"),
    URLs.PLANET_TINY: Fingerprint(997569, "490873c5683454d4b2611fb1f00a68a9"),
    URLs.YELP_REVIEWS: Fingerprint(196146755, "1efd84215ea3e30d90e4c33764b889db"),
}
